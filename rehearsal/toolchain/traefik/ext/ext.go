// Package ext stands in for a module that lies in Traefik's repository and is not served: fields that others add.
package ext

// HTTP adds nothing to the configuration of HTTP.
type HTTP struct{}

// Router adds nothing to a router.
type Router struct{}
