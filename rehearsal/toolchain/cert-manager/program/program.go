// Package program is what cert-manager's programs have in common: flags, a file of settings, logs, and their end.
package program

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	logsapi "k8s.io/component-base/logs/api/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cert-manager/cert-manager/internal/cmd/util"
	"github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util/configfile"
	"github.com/cert-manager/cert-manager/pkg/util/feature"
)

// Program has settings of type C, which flags are bound to.
type Program[C any] struct {
	Settings *C
	Logging  func(*C) *logsapi.LoggingConfiguration
	Features func(*C) map[string]bool
	Flags    func(*pflag.FlagSet, *C)
	Load     func(file func(configfile.ConfigFile) error) (*C, error)
	Run      func(context.Context, *C) error
}

// Defaulted is a configuration as it is when nothing was said: V is its versioned form.
func Defaulted[C, V any](scheme *runtime.Scheme, err error) *C {
	versioned, settings := new(V), new(C)
	if err == nil {
		scheme.Default(any(versioned).(runtime.Object))
		err = scheme.Convert(versioned, settings, nil)
	}
	if err != nil {
		panic(err)
	}
	return settings
}

// Main runs the program until it is done, fails, or is told to end.
func (p *Program[C]) Main() {
	Main(func(ctx context.Context) error {
		if err := p.parse(); err != nil {
			return err
		}
		if err := logs.ValidateAndApply(p.Logging(p.Settings)); err != nil {
			return err
		}
		if err := feature.DefaultMutableFeatureGate.SetFromMap(p.Features(p.Settings)); err != nil {
			return err
		}
		return p.Run(ctx, p.Settings)
	})
}

// parse reads the flags, and the file that they may name; flags go before it.
func (p *Program[C]) parse() error {
	file, err := p.flags()
	if err != nil || file == "" {
		return err
	}
	read := func(into configfile.ConfigFile) error {
		loader, err := configfile.NewConfigurationFSLoader(nil, file)
		if err != nil {
			return err
		}
		return loader.Load(into)
	}
	if p.Settings, err = p.Load(read); err != nil {
		return err
	}
	_, err = p.flags()
	return err
}

func (p *Program[C]) flags() (string, error) {
	set := pflag.NewFlagSet(os.Args[0], pflag.ContinueOnError)
	file := set.String("config", "", "file of settings")
	p.Flags(set, p.Settings)
	err := set.Parse(os.Args[1:])
	return *file, err
}

// Main runs `run` with logs, and ends it on SIGTERM.
func Main(run func(context.Context) error) {
	ctx, exit := util.SetupExitHandler(context.Background(), util.GracefulShutdown)
	defer exit()
	logs.InitLogs()
	defer logs.FlushLogs()
	ctrl.SetLogger(logs.Log)
	if err := run(logs.NewContext(ctx, logs.Log)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		util.SetExitCode(err)
	}
}

// Election binds the flags of who leads.
func Election(set *pflag.FlagSet, enabled *bool, namespace *string, lease, renew, retry *time.Duration) {
	set.BoolVar(enabled, "leader-elect", *enabled, "whether one of several copies leads")
	set.StringVar(namespace, "leader-election-namespace", *namespace, "namespace of the lease")
	set.DurationVar(lease, "leader-election-lease-duration", *lease, "how long others wait for a silent leader")
	set.DurationVar(renew, "leader-election-renew-deadline", *renew, "how long a leader tries to stay it")
	set.DurationVar(retry, "leader-election-retry-period", *retry, "time between two tries")
}
