// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/hack/demo/samples"
	"github.com/termintreu/termintreu/internal/plan"
)

var _ = Describe("the samples", Ordered, func() {
	It("are accepted by the API server, twice", func(ctx context.Context) {
		for range 2 {
			Expect(samples.Apply(ctx, apiServer, "test", set.Objects()...)).To(Succeed())
		}
	})

	// What the API server accepts, the plan may still refuse; a sample that stalls teaches nothing.
	It("can be planned", func(ctx context.Context) {
		Expect(set.Tenants).To(HaveLen(4))
		for i := range set.Tenants {
			tenant, region, policy := &v1alpha1.BookingTenant{}, &v1alpha1.DataRegion{}, &v1alpha1.RetentionPolicy{}
			Expect(apiServer.Get(ctx, client.ObjectKeyFromObject(&set.Tenants[i]), tenant)).To(Succeed())
			Expect(apiServer.Get(ctx, types.NamespacedName{Name: tenant.Spec.RegionRef.Name}, region)).To(Succeed())
			Expect(apiServer.Get(ctx, types.NamespacedName{Name: tenant.Spec.RetentionPolicyRef.Name}, policy)).To(Succeed())
			server := region.Spec.DatabaseServers[0]
			in := plan.Input{Tenant: tenant, Policy: policy, Region: region, Now: time.Now(), Placement: &v1alpha1.DatabasePlacement{
				Server: server.Name, Name: server.Databases[0], Schema: plan.DataID(tenant.UID),
			}}
			Expect(plan.Check(in)).To(BeNil(), tenant.Name)
			planned, err := plan.Build(in)
			Expect(err).NotTo(HaveOccurred())
			Expect(planned.Instance.Replicas).To(Equal(tenant.Spec.Instance.Replicas), tenant.Name+" serves")
		}
	})
})
