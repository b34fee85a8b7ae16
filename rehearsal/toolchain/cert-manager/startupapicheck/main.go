// cert-manager's check that its API can be used: `check api` waits until it can.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/cert-manager/cert-manager/internal/kube"
	"github.com/cert-manager/cert-manager/pkg/util/cmapichecker"
	"github.com/cert-manager/cert-manager/rehearsal/program"
)

func main() {
	set := pflag.NewFlagSet("startupapicheck check api", pflag.ExitOnError)
	limit := set.Duration("wait", 0, "how long to try; 0: once")
	pause := set.Duration("interval", 5*time.Second, "time between two tries")
	verbose := set.BoolP("verbose", "v", false, "say what was answered")
	_ = set.Parse(os.Args[1:])
	program.Main(func(ctx context.Context) error { return check(ctx, *limit, *pause, *verbose) })
}

func check(ctx context.Context, limit, pause time.Duration, verbose bool) error {
	cluster, err := kube.BuildClientConfig("", "")
	if err != nil {
		return err
	}
	checker, err := cmapichecker.New(cluster, os.Getenv("POD_NAMESPACE"))
	if err != nil {
		return err
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, pause, max(limit, time.Second), true, func(ctx context.Context) (bool, error) {
		if last = checker.Check(ctx); last == nil {
			return true, nil
		}
		reason := cmapichecker.TranslateToSimpleError(last)
		if verbose || reason == nil {
			reason = fmt.Errorf("%v (%w)", reason, last)
		}
		fmt.Fprintln(os.Stderr, "not ready:", reason)
		return limit == 0, nil
	})
	if last != nil {
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, last)
	}
	if err == nil {
		fmt.Println("The cert-manager API is ready")
	}
	return err
}
