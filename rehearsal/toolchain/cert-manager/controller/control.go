package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	config "github.com/cert-manager/cert-manager/internal/apis/config/controller"
	"github.com/cert-manager/cert-manager/pkg/controller"
)

const lease = "cert-manager-controller"

// lead does `work` as soon as this copy leads, and ends when it leads no more.
func lead(
	ctx context.Context,
	c *config.ControllerConfiguration,
	built *controller.Context,
	health *leaderelection.HealthzAdaptor,
	work func(context.Context) error,
) error {
	e := c.LeaderElectionConfig
	if !e.Enabled {
		return work(ctx)
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	own := resourcelock.ResourceLockConfig{Identity: fmt.Sprintf("%s-%s", host, uuid.NewUUID()), EventRecorder: built.Recorder}
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  meta.ObjectMeta{Namespace: e.Namespace, Name: lease},
		Client:     built.Client.CoordinationV1(),
		LockConfig: own,
	}
	ended := make(chan error, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:            lock,
		LeaseDuration:   e.LeaseDuration,
		RenewDeadline:   e.RenewDeadline,
		RetryPeriod:     e.RetryPeriod,
		ReleaseOnCancel: true,
		WatchDog:        health,
		Name:            lease,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { ended <- work(ctx) },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return err
	}
	leading, cancel := context.WithCancel(ctx)
	defer cancel()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		elector.Run(leading)
	}()
	select {
	case err = <-ended: // the lease is given back only after the work has ended
		cancel()
		<-gone
		return err
	case <-gone:
		if ctx.Err() == nil {
			return errors.New("leads no more")
		}
		return nil
	}
}

// control runs every controller that is switched on.
func control(ctx context.Context, c *config.ControllerConfiguration, factory *controller.ContextFactory, built *controller.Context) error {
	wanted := enabled(c)
	group, ctx := errgroup.WithContext(ctx)
	var runs []func() error
	for name, construct := range controller.Known() {
		if !wanted.Has(name) {
			continue
		}
		each, err := construct(factory)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		runs = append(runs, func() error { return each.Run(c.NumberOfConcurrentWorkers, ctx) })
	}
	built.SharedInformerFactory.Start(ctx.Done())
	built.KubeSharedInformerFactory.Start(ctx.Done())
	built.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	if c.GatewayAPIConfig.Enabled {
		built.GWShared.Start(ctx.Done())
	}
	for _, each := range runs {
		group.Go(each)
	}
	return group.Wait()
}
