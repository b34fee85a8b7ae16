// The program in pods of K3s' ServiceLB, whose own image has a script for iptables.
// It forwards connections and datagrams from SRC_PORT to DEST_PORT of an address of DEST_IPS, with the pod's own address
// as their source, and accepts clients in SRC_RANGES only: the image of K3s does the same.
package main

import (
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

const idle = time.Minute // after which the answers to a client's datagrams are no longer forwarded

func main() {
	var ranges []netip.Prefix
	for _, text := range strings.Split(os.Getenv("SRC_RANGES"), ",") {
		ranges = append(ranges, netip.MustParsePrefix(text))
	}
	address := strings.Split(os.Getenv("DEST_IPS"), ",")[0]
	target := net.JoinHostPort(address, os.Getenv("DEST_PORT"))
	if os.Getenv("DEST_PROTO") == "UDP" {
		log.Fatal(datagrams(":"+os.Getenv("SRC_PORT"), target, ranges))
	}
	log.Fatal(connections(":"+os.Getenv("SRC_PORT"), target, ranges))
}

func allowed(client string, ranges []netip.Prefix) bool {
	address := netip.MustParseAddrPort(client).Addr().Unmap()
	for _, each := range ranges {
		if each.Contains(address) {
			return true
		}
	}
	return false
}

func connections(from, to string, ranges []netip.Prefix) error {
	listener, err := net.Listen("tcp", from)
	if err != nil {
		return err
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		if !allowed(client.RemoteAddr().String(), ranges) {
			client.Close()
			continue
		}
		go forward(client, to)
	}
}

func forward(client net.Conn, to string) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", to, 10*time.Second)
	if err != nil {
		log.Print(err)
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
}

func datagrams(from, to string, ranges []netip.Prefix) error {
	socket, err := net.ListenPacket("udp", from)
	if err != nil {
		return err
	}
	buffer := make([]byte, 65535)
	for {
		size, client, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if allowed(client.String(), ranges) {
			go answer(socket, client, to, append([]byte(nil), buffer[:size]...))
		}
	}
}

func answer(socket net.PacketConn, client net.Addr, to string, datagram []byte) {
	server, err := net.Dial("udp", to)
	if err != nil {
		log.Print(err)
		return
	}
	defer server.Close()
	_, _ = server.Write(datagram)
	buffer := make([]byte, 65535)
	for server.SetReadDeadline(time.Now().Add(idle)) == nil {
		size, err := server.Read(buffer)
		if err != nil {
			return
		}
		_, _ = socket.WriteTo(buffer[:size], client)
	}
}
