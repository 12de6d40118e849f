// SPDX-License-Identifier: Apache-2.0

// Package operator puts manager, caches, measurements and reconcilers together.
package operator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/klauspost/compress/gzhttp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/controllers"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
)

// Options of the operator and the sentinel.
type Options struct {
	// Image operands run; the operator's own.
	Image           string
	ImagePullPolicy corev1.PullPolicy
	// Namespace of the operator, where admin Secrets live.
	Namespace string
	// MaxEvidenceAge is how old evidence may be before it proves nothing.
	MaxEvidenceAge time.Duration
	// MeasureInterval between two audits of a database, or two listings of a store.
	MeasureInterval time.Duration
	// ReadNotices makes the operator read the privacy notice of every site, and ask every instance what it found of its
	// network and of appointments without room; it must reach the tenants' Services and pods.
	ReadNotices bool
	// Workers that reconcile tenants at the same time.
	Workers int
	// LimitMemory tells the Go runtime the operator's budget as its limit; for a process that is nothing else.
	LimitMemory bool
	// MetricsAddress, ProbeAddress and PprofAddress to listen on; "0" for none.
	MetricsAddress, ProbeAddress, PprofAddress string
	// LeaderElection lets one of several replicas work.
	LeaderElection bool
	// SharedProcess lets several managers, one after the other, live in one process; tests need it.
	SharedProcess bool
}

// Validate refuses options that contradict each other.
func (o *Options) Validate() error {
	switch {
	case o.Image == "":
		return errors.New("--image is empty: name the image operands run, which is the operator's own")
	case o.Namespace == "":
		return errors.New("--namespace is empty: name the namespace admin Secrets live in, or set POD_NAMESPACE")
	case o.MaxEvidenceAge < 3*o.MeasureInterval:
		return fmt.Errorf("--max-evidence-age (%s) must be at least three times --measure-interval (%s), or one failed measurement makes every verdict Unknown", o.MaxEvidenceAge, o.MeasureInterval)
	}
	return nil
}

// Scheme of the kinds the operator reads and writes.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// New makes the operator's manager; Start runs it.
func New(ctx context.Context, config *rest.Config, o Options) (manager.Manager, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	mgr, err := newManager(config, o, "termintreu-operator", CacheOptions())
	if err != nil {
		return nil, err
	}
	if err := controllers.SetupIndexes(ctx, mgr); err != nil {
		return nil, err
	}
	changed := make(chan event.TypedGenericEvent[string], 4096)
	book := evidence.NewBook(func(dataID string) { changed <- event.TypedGenericEvent[string]{Object: dataID} })
	metrics := &controllers.TenantMetrics{Tenants: mgr.GetClient(), Book: book, MaxAge: o.MaxEvidenceAge, Now: time.Now}
	if err := mgr.AddMetricsServerExtraHandler(controllers.TenantMetricsPath, gzhttp.GzipHandler(metrics)); err != nil {
		return nil, err
	}
	databases := &controllers.Databases{Secrets: mgr.GetAPIReader(), Namespace: o.Namespace, Book: book, Tenants: mgr.GetClient()}
	stores := &controllers.Stores{Secrets: mgr.GetAPIReader(), Namespace: o.Namespace}
	certifier := &controllers.Certifier{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Stores: stores, Book: book, Namespace: o.Namespace, Now: time.Now,
	}
	leftovers := &controllers.Leftovers{Client: mgr.GetClient(), Databases: databases, Stores: stores, Book: book, Certifier: certifier, Namespace: o.Namespace, Now: time.Now}
	serving := &controllers.Serving{Client: mgr.GetClient(), Secrets: mgr.GetAPIReader(), Namespace: o.Namespace}
	kick := make(chan struct{}, 1)
	measurer := &controllers.Measurer{
		Client: mgr.GetClient(), Databases: databases, Stores: stores, Book: book, Pods: mgr.GetAPIReader(),
		Interval: o.MeasureInterval, Timeout: min(max(o.MeasureInterval, 5*time.Second), time.Minute), Kick: kick,
	}
	if err := mgr.Add(measurer); err != nil {
		return nil, err
	}
	if err := mgr.Add(manager.RunnableFunc(databases.CloseAtEnd)); err != nil {
		return nil, err
	}
	if err := mgr.Add(&controllers.SiteReader{Client: mgr.GetClient(), Secrets: mgr.GetAPIReader(), Book: book, Interval: o.MeasureInterval}); err != nil {
		return nil, err
	}
	if o.ReadNotices {
		if err := mgr.Add(&controllers.NoticeReader{Client: mgr.GetClient(), Serving: serving, Book: book, Interval: o.MeasureInterval}); err != nil {
			return nil, err
		}
		if err := mgr.Add(&controllers.InstanceReader{Client: mgr.GetClient(), Book: book, Interval: o.MeasureInterval}); err != nil {
			return nil, err
		}
	}
	tenants := &controllers.TenantReconciler{
		Client: mgr.GetClient(), Databases: databases, Stores: stores, Serving: serving, Book: book, Certifier: certifier,
		Recorder: mgr.GetEventRecorder("termintreu"), MaxEvidenceAge: o.MaxEvidenceAge, ReadsNotices: o.ReadNotices, Now: time.Now,
		Defaults: plan.Defaults{Image: o.Image, ImagePullPolicy: o.ImagePullPolicy, OperatorNamespace: o.Namespace},
	}
	measurer.Done = func(ctx context.Context) {
		if o.LimitMemory {
			limitMemory(ctx, mgr.GetClient())
		}
		leftovers.Sweep(ctx)
		tenants.TendRetained(ctx)
	}
	regions := &controllers.DataRegionReconciler{Client: mgr.GetClient(), Book: book, Kick: kick, Interval: o.MeasureInterval}
	policies := &controllers.RetentionPolicyReconciler{Client: mgr.GetClient()}
	restores := &controllers.TenantRestoreReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Tenants: tenants, Recorder: mgr.GetEventRecorder("termintreu"), Now: time.Now}
	return mgr, errors.Join(
		tenants.SetupWithManager(mgr, changed, o.Workers), regions.SetupWithManager(mgr), policies.SetupWithManager(mgr), restores.SetupWithManager(mgr))
}

// NewSentinel makes the manager of the process that expires verdicts nobody renews.
func NewSentinel(config *rest.Config, o Options) (manager.Manager, error) {
	mgr, err := newManager(config, o, "termintreu-sentinel", nil)
	if err != nil {
		return nil, err
	}
	sentinel := &controllers.Sentinel{Client: mgr.GetClient(), Grace: 2 * time.Second, Now: time.Now}
	return mgr, sentinel.SetupWithManager(mgr)
}

func newManager(config *rest.Config, o Options, name string, cacheOptions func(*ctrl.Options)) (manager.Manager, error) {
	config = rest.CopyConfig(config)
	// API Priority and Fairness protects the API server better than a limit of the client's own.
	config.QPS, config.Burst = -1, -1
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return impatient{next} })
	options := ctrl.Options{
		Scheme: Scheme(), HealthProbeBindAddress: o.ProbeAddress, PprofBindAddress: o.PprofAddress,
		Controller:     ctrlconfig.Controller{SkipNameValidation: &o.SharedProcess},
		LeaderElection: o.LeaderElection, LeaderElectionID: name, LeaderElectionNamespace: o.Namespace, LeaderElectionReleaseOnCancel: true,
		Metrics: metricsserver.Options{
			BindAddress: o.MetricsAddress, SecureServing: true, FilterProvider: Reviewed,
		},
	}
	if cacheOptions != nil {
		cacheOptions(&options)
	}
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, err
	}
	return mgr, errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping))
}
