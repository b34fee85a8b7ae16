// Pebble, an ACME server, under the paths of Let's Encrypt's own.
package main

import (
	"flag"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

const (
	directory = "/directory" // where Let's Encrypt has it
	httpPort  = 80
	tlsPort   = 443
	patience  = 10 * time.Second
	life      = 90 * 24 * 3600 // seconds of a certificate
)

func main() {
	listen := flag.String("listen", "", "address of the ACME service")
	manage := flag.String("manage", "", "address that tells the root certificate")
	certificate := flag.String("certificate", "", "file of the certificate chain that it answers with")
	key := flag.String("key", "", "file of its key")
	nameserver := flag.String("nameserver", "", "who is asked for addresses and records")
	flag.Parse()

	logger := log.New(os.Stdout, "", log.LstdFlags)
	store := db.NewMemoryStore()
	profiles := map[string]ca.Profile{"default": {Description: "as Let's Encrypt's", ValidityPeriod: life}}
	authority := ca.New(logger, store, "", "ecdsa", 0, 1, profiles)
	validator := va.New(logger, httpPort, tlsPort, false, *nameserver, store)
	front := wfe.New(logger, store, validator, authority, []string{"letsencrypt.org"}, false, false, 1, 1)
	go func() {
		log.Fatal(server(*manage, front.ManagementHandler()).ListenAndServeTLS(*certificate, *key))
	}()
	log.Fatal(server(*listen, asLetsEncrypt(front.Handler())).ListenAndServeTLS(*certificate, *key))
}

func server(address string, handler http.Handler) *http.Server {
	return &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: patience}
}

// asLetsEncrypt answers at the directory that issuers of Let's Encrypt are given.
func asLetsEncrypt(pebble http.Handler) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, asked *http.Request) {
		if asked.URL.Path == directory {
			asked = asked.Clone(asked.Context())
			asked.URL.Path = wfe.DirectoryPath
		}
		pebble.ServeHTTP(answer, asked)
	})
}
