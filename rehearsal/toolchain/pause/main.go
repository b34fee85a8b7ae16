// The program in sandboxes and in containers whose own image cannot be had.
// `pause` reaps children until it is told to stop; `pause exit` ends at once, well;
// `pause ask HOST:PORT PATH` asks by HTTP until the answer is 200, and ends badly when it is 409.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "exit" {
		return
	}
	if len(os.Args) == 4 && os.Args[1] == "ask" {
		for ; ; time.Sleep(500 * time.Millisecond) {
			switch ask(os.Args[2], os.Args[3]) {
			case "200":
				return
			case "409":
				os.Exit(1)
			}
		}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGINT, syscall.SIGTERM)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// ask returns the status of the answer, or nothing where there is none.
func ask(address, path string) string {
	connection, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return ""
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(connection, "GET %s HTTP/1.0\r\n\r\n", path)
	line, _ := bufio.NewReader(connection).ReadString('\n')
	if words := strings.Fields(line); len(words) > 1 {
		return words[1]
	}
	return ""
}

func reap() {
	for {
		if child, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != nil || child <= 0 {
			return
		}
	}
}
