// cert-manager's answer to an ACME service that asks over HTTP.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"github.com/cert-manager/cert-manager/pkg/issuer/acme/http/solver"
)

const patience = 5 * time.Second // for requests that are being answered

func main() {
	answer := new(solver.HTTP01Solver)
	flag.IntVar(&answer.ListenPort, "listen-port", 8089, "port to listen on")
	flag.StringVar(&answer.Domain, "domain", "", "name that is asked for")
	flag.StringVar(&answer.Token, "token", "", "what is asked")
	flag.StringVar(&answer.Key, "key", "", "what is answered")
	flag.Parse()
	told, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-told.Done()
		limited, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = answer.Shutdown(limited)
	}()
	if err := answer.Listen(klog.Background()); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
