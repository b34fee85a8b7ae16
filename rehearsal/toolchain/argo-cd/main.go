// Argo CD's server, repo server and controllers in one program, which is told apart by its name.
//
// The official program has more in it: a command line, and much that this project switches off. What is left out
// need not be compiled.
package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	password "homelab/rehearsal/argo-cd/password"

	application "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	applicationset "github.com/argoproj/argo-cd/v3/cmd/argocd-applicationset-controller/commands"
	askpass "github.com/argoproj/argo-cd/v3/cmd/argocd-git-ask-pass/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	server "github.com/argoproj/argo-cd/v3/cmd/argocd-server/commands"
	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/ui"
	"github.com/argoproj/argo-cd/v3/util/grpc"
	"github.com/argoproj/argo-cd/v3/util/log"
)

var programs = map[string]func() *cobra.Command{
	common.CommandServer:                   server.NewCommand,
	common.CommandRepoServer:               reposerver.NewCommand,
	common.CommandApplicationController:    application.NewCommand,
	common.CommandApplicationSetController: applicationset.NewCommand,
	common.CommandGitAskPass:               askpass.NewCommand,
	common.CommandCLI:                      commandLine,
}

// webUI has the only page of the web UI that the server does not read from its folder of static assets.
//
//go:embed dist/app
var webUI embed.FS

func main() {
	ui.Embedded = webUI
	klog.SetLogger(log.NewLogrusLogger(log.NewWithCurrentConfig()))
	grpc.DisableSRVLookups()
	name := os.Getenv("ARGOCD_BINARY_NAME") // set where Git calls `argocd` for a password
	if name == "" {
		name = filepath.Base(os.Args[0])
	}
	program, known := programs[name]
	if !known {
		fmt.Fprintf(os.Stderr, "%s was left out of this build of Argo CD\n", name)
		os.Exit(2)
	}
	if program().Execute() != nil {
		os.Exit(1)
	}
}

// commandLine has the one command that the chart's job runs: `argocd admin redis-initial-password`.
func commandLine() *cobra.Command {
	root, admin := &cobra.Command{Use: common.CommandCLI}, &cobra.Command{Use: "admin"}
	admin.AddCommand(password.NewRedisInitialPasswordCommand())
	root.AddCommand(admin)
	return root
}
