// SPDX-License-Identifier: Apache-2.0

package resources

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	netac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// RegionPlan is what the jobs of all tenants of a region share.
type RegionPlan struct {
	// Name of the DataRegion.
	Name string
	// PlatformNamespace the jobs run in; two regions may share one.
	PlatformNamespace string
	// EgressCIDRs of the region's database servers, backup stores and archives, sorted, without repetition.
	EgressCIDRs []plan.Endpoint
}

// PlanRegion collects where the jobs of a region may connect to.
func PlanRegion(region *v1alpha1.DataRegion) RegionPlan {
	r := RegionPlan{Name: region.Name, PlatformNamespace: region.Spec.PlatformNamespace}
	for i := range region.Spec.DatabaseServers {
		r.EgressCIDRs = append(r.EgressCIDRs, plan.ServerEndpoints(&region.Spec.DatabaseServers[i])...)
	}
	for _, store := range plan.Stores(region) {
		for _, cidr := range store.EndpointCIDRs {
			r.EgressCIDRs = append(r.EgressCIDRs, plan.Endpoint{CIDR: string(cidr), Port: portOf(store.Endpoint)})
		}
	}
	slices.SortFunc(r.EgressCIDRs, func(a, b plan.Endpoint) int {
		return cmp.Or(strings.Compare(a.CIDR, b.CIDR), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Cluster, b.Cluster), int(a.Port-b.Port))
	})
	r.EgressCIDRs = slices.Compact(r.EgressCIDRs)
	return r
}

// portOf an https URL the API server accepted.
func portOf(endpoint string) int32 {
	if u, err := url.Parse(endpoint); err == nil {
		if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
			return int32(port)
		}
	}
	return 443
}

// RegionObjects are the objects of a region that no tenant owns, in the order of applying: the wall comes first.
func RegionObjects(r RegionPlan) []Object {
	return append(AdmissionBindings(r.Name),
		object(gvkServiceAccount, r.PlatformNamespace, JobsServiceAccount, JobsAccount(r)),
		object(gvkNetworkPolicy, r.PlatformNamespace, jobsPolicyName(r), JobsNetworkPolicy(r)),
	)
}

// JobsAccount is the service account of all jobs; regions that share a platform namespace share it.
func JobsAccount(r RegionPlan) *coreac.ServiceAccountApplyConfiguration {
	return coreac.ServiceAccount(JobsServiceAccount, r.PlatformNamespace).
		WithLabels(jobsLabels()).WithAutomountServiceAccountToken(false)
}

// JobsNetworkPolicy lets nobody reach a job, and jobs reach the region's database servers and stores alone.
func JobsNetworkPolicy(r RegionPlan) *netac.NetworkPolicyApplyConfiguration {
	labels := jobsLabels()
	labels[LabelRegion] = r.Name
	return netac.NetworkPolicy(jobsPolicyName(r), r.PlatformNamespace).
		WithLabels(labels).
		WithSpec(netac.NetworkPolicySpec().
			WithPodSelector(metaac.LabelSelector().WithMatchLabels(map[string]string{LabelName: Application, LabelRegion: r.Name})).
			WithPolicyTypes(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress).
			WithEgress(egress(r.EgressCIDRs)...))
}

func jobsPolicyName(r RegionPlan) string { return JobsServiceAccount + "-" + r.Name }

func jobsLabels() map[string]string {
	return map[string]string{LabelName: Application, LabelComponent: string(ComponentJobs), LabelManagedBy: Manager}
}
