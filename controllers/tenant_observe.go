// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/resources"
)

func storeKey(p *plan.Plan, store string) evidence.StoreKey {
	return evidence.StoreKey{Region: p.Region.Name, Store: store}
}

// observe collects the tenant's part of what was measured, and looks where its pods and jobs run.
func (r *TenantReconciler) observe(ctx context.Context, s *scope) {
	if s.plan == nil {
		return
	}
	p := s.plan
	placements, err := r.placements(ctx, p, s)
	s.evidence.Placements = compliance.Sample[[]compliance.Placement]{Value: placements, At: s.now, Err: err}

	s.evidence.Wall, s.evidence.Front = r.Book.Wall(p.Region.Name), r.Book.Front(p.Region.Name)
	s.evidence.Endpoints = r.endpoints(p)
	if site := r.Book.Site(p.DataID); site.Err != nil || site.Value.Declared == plan.SiteDigest(p.Instance.Hosts, p.Instance.TLSSecretName) {
		s.evidence.Site = site
	}
	if p.Database.Server.ClusterRef != nil {
		seen := r.Book.Server(evidence.ServerKey{Region: p.Region.Name, Server: p.Database.Server.Name})
		s.evidence.Server = compliance.Sample[[]compliance.Placement]{Value: seen.Value.Places, At: seen.At, Err: seen.Err}
	}
	record, at, found, err := r.Book.Record(plan.DatabaseKey{Region: p.Region.Name, Server: p.Database.Server.Name, Database: p.Database.Name}, p.DataID)
	s.evidence.Retention = compliance.Sample[compliance.Retention]{Value: record.Retention, Err: err}
	if found || err != nil {
		s.evidence.Retention.At = at
	}
	if r.ReadsNotices {
		published := r.Book.Notice(p.DataID, p.Instance.Settings.PlanHash, s.now)
		tried, orphans := r.Book.Egress(p.DataID), r.Book.Orphans(p.DataID)
		s.evidence.Notice, s.evidence.Egress, s.evidence.Orphans = &published, &tried, &orphans
	}
	s.evidence.Stores = make(map[string]compliance.Sample[compliance.Store], len(p.Backup.Stores))
	for _, store := range p.Backup.Stores {
		s.evidence.Stores[store.Name] = r.Book.Store(storeKey(p, store.Name), p.DataID)
	}
}

// endpoints are the tenant's server and stores as last met under their present declaration.
func (r *TenantReconciler) endpoints(p *plan.Plan) map[string]compliance.Sample[compliance.Endpoint] {
	met := map[string]compliance.Sample[compliance.Endpoint]{}
	add := func(where, declared string) {
		if sample := r.Book.Endpoint(evidence.EndpointKey{Region: p.Region.Name, Where: where}); sample.Err != nil || sample.Value.Declared == declared {
			met[where] = sample
		}
	}
	add(plan.ServerUse(p.Database.Server.Name), plan.ServerDigest(&p.Database.Server))
	for i := range p.Backup.Stores {
		add(plan.StoreUse(p.Backup.Stores[i].Name), plan.StoreDigest(&p.Backup.Stores[i]))
	}
	for _, store := range p.Archives() {
		add(plan.ArchiveUse(store.Name), plan.StoreDigest(&store))
	}
	return met
}

// placements lists every object that makes pods, and every pod, with the node it runs on.
func (r *TenantReconciler) placements(ctx context.Context, p *plan.Plan, s *scope) ([]compliance.Placement, error) {
	var placements []compliance.Placement
	deployment := &appsv1.Deployment{}
	err := r.Get(ctx, client.ObjectKey{Namespace: p.Tenant.Namespace, Name: resources.InstanceName(p)}, deployment)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	if err == nil {
		placements = append(placements, compliance.Placement{
			What: "Deployment " + deployment.Namespace + "/" + deployment.Name, Bound: bound(&deployment.Spec.Template.Spec, &p.Region),
		})
		if deployment.Status.ObservedGeneration == deployment.Generation {
			s.available = deployment.Status.AvailableReplicas
		}
	}
	for _, name := range []string{resources.RetentionName(p), resources.ArchiveName(p), resources.BackupName(p), resources.ExpiryName(p)} {
		cron := &batchv1.CronJob{}
		err := r.Get(ctx, client.ObjectKey{Namespace: p.Region.PlatformNamespace, Name: name}, cron)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err == nil {
			placements = append(placements, compliance.Placement{
				What: "CronJob " + cron.Namespace + "/" + cron.Name, Bound: bound(&cron.Spec.JobTemplate.Spec.Template.Spec, &p.Region),
			})
		}
	}
	pods, err := r.podPlacements(ctx, p, s)
	return append(placements, pods...), err
}

func (r *TenantReconciler) podPlacements(ctx context.Context, p *plan.Plan, s *scope) ([]compliance.Placement, error) {
	pods := &corev1.PodList{}
	if err := r.List(ctx, pods, client.MatchingFields{podIndex: p.DataID}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	var placements []compliance.Placement
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Spec.NodeName == "" {
			continue
		}
		value, err := placeOf(ctx, r.Client, pod, p.Region.NodeLabel)
		if err != nil {
			return nil, err
		}
		key := client.ObjectKeyFromObject(pod)
		placement := compliance.Placement{What: podName(key), Bound: true, Node: pod.Spec.NodeName, NodeValue: value}
		placements = append(placements, placement)
		if placement.Foreign(&p.Region) && !finished(pod) && pod.DeletionTimestamp == nil {
			s.strays = append(s.strays, stray{key, pod.Spec.NodeName})
		}
	}
	return placements, nil
}

// placeOf is the value of the region's label on the pod's node. Of a node that is gone, as after an upgrade, and of
// a pod that has finished, as a job's, it is what Kubernetes copied onto the pod when it was bound: later labels say
// nothing of where the data was.
func placeOf(ctx context.Context, c client.Reader, pod *corev1.Pod, label string) (string, error) {
	node := &corev1.Node{}
	err := c.Get(ctx, client.ObjectKey{Name: pod.Spec.NodeName}, node)
	if apierrors.IsNotFound(err) {
		return pod.Labels[label], nil
	}
	if copied, found := pod.Labels[label]; found && finished(pod) {
		return copied, err
	}
	return node.Labels[label], err
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// bound tells whether a pod template may run on trusted nodes only: every term of its required node affinity, of
// which one suffices to the scheduler, must demand a trusted value.
func bound(spec *corev1.PodSpec, region *plan.Region) bool {
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil || spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return false
	}
	terms := spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	for _, term := range terms {
		if !slices.ContainsFunc(term.MatchExpressions, func(e corev1.NodeSelectorRequirement) bool { return demands(e, region) }) {
			return false
		}
	}
	return len(terms) > 0
}

func demands(e corev1.NodeSelectorRequirement, region *plan.Region) bool {
	return e.Key == region.NodeLabel && e.Operator == corev1.NodeSelectorOpIn && len(e.Values) > 0 &&
		!slices.ContainsFunc(e.Values, func(v string) bool { return !slices.Contains(region.NodeValues, v) })
}

// trustedNodes counts the nodes the region trusts.
func (r *TenantReconciler) trustedNodes(ctx context.Context, region *plan.Region) (int, error) {
	return countTrusted(ctx, r.Client, region.NodeLabel, region.NodeValues)
}

func countTrusted(ctx context.Context, c client.Reader, label string, values []string) (int, error) {
	nodes := &corev1.NodeList{}
	if err := c.List(ctx, nodes, client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("listing nodes: %w", err)
	}
	trusted := 0
	for i := range nodes.Items {
		if slices.Contains(values, nodes.Items[i].Labels[label]) {
			trusted++
		}
	}
	return trusted, nil
}
