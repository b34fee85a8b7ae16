// A small web application: shows which pod answers, with which environment and which configuration files.
// GET /healthz, /hostname, /env/NAME, /file/PATH (below /config). It listens on PORT, 8080 by default.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const configuration = "/config"

func main() {
	port, given := os.LookupEnv("PORT")
	if !given {
		port = "8080"
	}
	server := &http.Server{Addr: ":" + port, Handler: routes(), ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan struct{})
	go stop(server, stopped)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-stopped
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /hostname", hostname)
	mux.HandleFunc("GET /env/{name}", environment)
	mux.HandleFunc("GET /file/{path...}", file)
	return mux
}

func hostname(w http.ResponseWriter, _ *http.Request) {
	name, err := os.Hostname()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, name)
}

func environment(w http.ResponseWriter, r *http.Request) {
	value, found := os.LookupEnv(r.PathValue("name"))
	if !found {
		http.NotFound(w, r)
		return
	}
	fmt.Fprintln(w, value)
}

// os.OpenInRoot also follows a ConfigMap's links, but never out of the folder.
func file(w http.ResponseWriter, r *http.Request) {
	opened, err := os.OpenInRoot(configuration, r.PathValue("path"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer opened.Close()
	if _, err := io.Copy(w, opened); err != nil {
		log.Print(err)
	}
}

// stop lets requests that have begun end when the kubelet says to stop.
func stop(server *http.Server, stopped chan<- struct{}) {
	defer close(stopped)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
	limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		log.Print(err)
	}
}
