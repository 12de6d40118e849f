// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
)

// reportServers shows which server each name stands for. What was known stays while a server does not answer.
func (r *DataRegionReconciler) reportServers(region *v1alpha1.DataRegion) {
	before := region.Status.Servers
	region.Status.Servers = nil
	for i := range region.Spec.DatabaseServers {
		server := &region.Spec.DatabaseServers[i]
		entry := v1alpha1.ServerStatus{Name: server.Name}
		if at := slices.IndexFunc(before, func(s v1alpha1.ServerStatus) bool { return s.Name == server.Name }); at >= 0 {
			entry = before[at]
		}
		sample := r.Book.Endpoint(evidence.EndpointKey{Region: region.Name, Where: plan.ServerUse(server.Name)})
		if met := sample.Value; sample.Err == nil && met.Pinned != "" {
			entry.SystemIdentifier, entry.Seen = met.Pinned, ""
			if met.Identity != met.Pinned {
				entry.Seen = met.Identity
			}
			entry.Connection = connectionOf(met)
		}
		region.Status.Servers = append(region.Status.Servers, entry)
	}
}

func (r *DataRegionReconciler) reportStores(region *v1alpha1.DataRegion) (problems []string) {
	before := region.Status.Stores
	region.Status.Stores = nil
	for _, store := range plan.Stores(region) {
		listing := r.Book.Listing(evidence.StoreKey{Region: region.Name, Store: store.Name})
		entry := v1alpha1.StoreStatus{Name: store.Name, Reachable: metav1.ConditionTrue}
		if at := slices.IndexFunc(before, func(s v1alpha1.StoreStatus) bool { return s.Name == store.Name }); at >= 0 {
			entry.BucketMark, entry.Connection = before[at].BucketMark, before[at].Connection
		}
		sample := r.Book.Endpoint(evidence.EndpointKey{Region: region.Name, Where: plan.UseOf(region, store.Name)})
		if met := sample.Value; sample.Err == nil && met.Pinned != "" {
			entry.BucketMark, entry.Connection = met.Pinned, connectionOf(met)
		}
		switch {
		case listing.Err != nil:
			entry.Reachable, entry.Message = metav1.ConditionFalse, shorten(listing.Err.Error())
			problems = append(problems, "store "+store.Name+": "+entry.Message)
		case listing.At.IsZero():
			entry.Reachable = metav1.ConditionUnknown
			problems = append(problems, "store "+store.Name+" has not been listed yet")
		}
		region.Status.Stores = append(region.Status.Stores, entry)
	}
	return problems
}

func connectionOf(met compliance.Endpoint) *v1alpha1.ConnectionStatus {
	return &v1alpha1.ConnectionStatus{Address: met.Address, Key: met.Key, CertificateUntil: timeOf(met.NotAfter)}
}
