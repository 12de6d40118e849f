// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/hack/internal/binaries"
)

const (
	patience = 2 * time.Minute
	// settling bounds how long tenants may take to become ready and compliant.
	settling = 8 * time.Minute
	pause    = 500 * time.Millisecond
)

// eventually tries until it succeeds or patience ends, and gives the last error.
func eventually(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// Settle waits until every tenant is ready and compliant by measurement of the operator installed now, and tells what
// it waits for.
func (i *Installation) Settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	if err := i.progress.Step("waiting for the operator to roll out", func() error { return i.rollOut(ctx) }); err != nil {
		return err
	}
	start, told := time.Now(), ""
	for {
		waiting, err := i.unsettled(ctx)
		if err == nil && len(waiting) == 0 {
			i.progress.Printf("every tenant is ready and compliant, by measurement (%s)", time.Since(start).Round(time.Second))
			return nil
		}
		line := strings.Join(waiting, "\n  ")
		if line != told {
			i.progress.Printf("%4.0fs waiting for\n  %s", time.Since(start).Seconds(), line)
			told = line
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not every tenant became ready and compliant; still waiting for:\n  %s", line)
		case <-time.After(pause):
		}
	}
}

// unsettled lists the tenants that are not there yet, each with the first condition in the way.
func (i *Installation) unsettled(ctx context.Context) ([]string, error) {
	tenants := &v1alpha1.BookingTenantList{}
	if err := i.Client.List(ctx, tenants); err != nil {
		return []string{"the API server: " + err.Error()}, err
	}
	var waiting []string
	for n := range tenants.Items {
		tenant := &tenants.Items[n]
		for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionCompliant} {
			c := meta.FindStatusCondition(tenant.Status.Conditions, kind)
			judged := tenant.Status.Compliance != nil && tenant.Status.Compliance.CheckedAt != nil &&
				!tenant.Status.Compliance.CheckedAt.Time.Before(i.rolledOut.Truncate(time.Second))
			if c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == tenant.Generation && judged {
				continue
			}
			why := "not looked at yet"
			if c != nil {
				why = c.Message
			}
			if c != nil && !judged {
				why = "not renewed yet by the operator that runs now"
			}
			waiting = append(waiting, fmt.Sprintf("%s/%s: %s: %s", tenant.Namespace, tenant.Name, kind, why))
			break
		}
		// Replicas answer before the way to them does: a visitor comes through the ingress.
		if err := i.visit(ctx, tenant); err != nil {
			waiting = append(waiting, fmt.Sprintf("%s/%s: the site: %v", tenant.Namespace, tenant.Name, err))
		}
	}
	return waiting, nil
}

// Show prints what a visitor wants to see first.
func (i *Installation) Show(ctx context.Context) error {
	assets, err := binaries.AssetsDir(ctx, i.Root, i.progress)
	if err != nil {
		return err
	}
	kubectl := filepath.Join(assets, "kubectl")
	command := exec.CommandContext(ctx, kubectl, "--kubeconfig", i.Cluster.Endpoints().Kubeconfig, "get", "bookingtenants", "-A")
	command.Stdout, command.Stderr = i.Options.Out, i.Options.Out
	i.progress.Printf("\n$ kubectl get bookingtenants -A")
	if err := command.Run(); err != nil {
		return err
	}
	tenants := &v1alpha1.BookingTenantList{}
	if err := i.Client.List(ctx, tenants); err != nil {
		return err
	}
	i.progress.Printf("\nBooking sites, on this machine:")
	for n := range tenants.Items {
		i.progress.Printf("  %-12s %-42s %s", tenants.Items[n].Name, tenants.Items[n].Status.URL, i.plainURL(&tenants.Items[n]))
	}
	ends := i.Cluster.Endpoints()
	i.progress.Printf(`
The https addresses have certificates of the demo's own authority, %s; the http ones need no trust.
Mail to citizens is caught at %s.

  export KUBECONFIG=%s

Three things to try:
  1. Book an appointment at the fast lane, cancel it, and watch it go: its policy counts in minutes.
       kubectl get bookingtenant -n fastlane -o yaml | grep -A40 retention:
  2. Stop a purge and see status notice: suspend the CronJob, book and cancel, wait for the tolerance to pass.
       kubectl get cronjobs -n termintreu-ch
  3. Ask why: what was measured, when, and how long it stands.
       kubectl describe bookingtenant -n basel
`, ends.CAFile, ends.Mail.Web, ends.Kubeconfig)
	return nil
}

// plainURL is the site without TLS, over loopback only.
func (i *Installation) plainURL(tenant *v1alpha1.BookingTenant) string {
	ingress, found := i.Cluster.Endpoints().Ingress(tenant.Spec.RegionRef.Name)
	if !found || len(tenant.Spec.Instance.Hosts) == 0 {
		return ""
	}
	return fmt.Sprintf("http://%s:%d/", tenant.Spec.Instance.Hosts[0], ingress.HTTPPort)
}

// visit asks for the site's first page as a browser on this machine would. Browsers know that names under .localhost
// lead to loopback; Go does not.
func (i *Installation) visit(ctx context.Context, tenant *v1alpha1.BookingTenant) error {
	ingress, found := i.Cluster.Endpoints().Ingress(tenant.Spec.RegionRef.Name)
	if !found || len(tenant.Spec.Instance.Hosts) == 0 {
		return nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/", ingress.HTTPPort), nil)
	if err != nil {
		return err
	}
	request.Host = string(tenant.Spec.Instance.Hosts[0])
	visitor := http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := visitor.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("it answers %s through the ingress", response.Status)
	}
	return nil
}

// rollOut waits until the Deployments of config/default run what was applied. When that changed something, verdicts
// from before it are the last operator's word and do not count.
func (i *Installation) rollOut(ctx context.Context) error {
	for {
		deployments := &appsv1.DeploymentList{}
		err := i.Client.List(ctx, deployments, client.InNamespace(operatorNamespace))
		ready := err == nil && len(deployments.Items) > 0
		for n := range deployments.Items {
			d := &deployments.Items[n]
			ready = ready && d.Status.ObservedGeneration == d.Generation && d.Spec.Replicas != nil &&
				d.Status.UpdatedReplicas == *d.Spec.Replicas && d.Status.AvailableReplicas == *d.Spec.Replicas && d.Status.Replicas == *d.Spec.Replicas
			for _, c := range d.Status.Conditions {
				if c.Type == appsv1.DeploymentProgressing && c.LastUpdateTime.After(i.rolledOut) && d.Name == "termintreu-operator" {
					i.rolledOut = c.LastUpdateTime.Time
				}
			}
		}
		if ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the operator did not roll out: kubectl -n %s describe deployments", operatorNamespace)
		case <-time.After(pause):
		}
	}
}
