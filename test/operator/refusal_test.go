// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// mistake is one wrong wish the API server cannot see, and its mend.
type mistake struct {
	reason string
	// says is part of the sentence somebody mends it by.
	says string
	make func(*v1alpha1.BookingTenant)
	// mend changes the tenant back; nil when something else is mended.
	mend func(*v1alpha1.BookingTenant)
	// elsewhere mends what is not the tenant's.
	elsewhere func(context.Context, *world)
}

// Acceptance 8: a wrong wish is Stalled with a sentence, leaves nothing half-made, and heals when it is mended.
var _ = Describe("A tenant that cannot be", Ordered, func() {
	var (
		w     *world
		older *v1alpha1.BookingTenant
	)

	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		startOperator()
		createNamespace(ctx, w.name+"-stranger")
		older = w.create(ctx, "older")
		eventually(ctx, older, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
	})

	DescribeTable("is Stalled, has nothing half-made, and comes up when mended", func(ctx SpecContext, m mistake) {
		tenant := w.create(ctx, "wrong", m.make)
		stalled := eventually(ctx, tenant, v1alpha1.ConditionStalled, metav1.ConditionTrue, saying(m.says))
		Expect(stalled.Reason).To(Equal(m.reason))
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionUnknown)
		live := get(ctx, tenant)
		Expect(live.Finalizers).To(BeEmpty())
		Expect(live.Status.Database).To(BeNil())
		Expect(objectsOf(ctx, tenant)).To(BeEmpty())
		Expect(schemasOf(ctx, w, tenant)).To(BeZero())
		Expect(rolesOf(ctx, w, tenant)).To(BeZero())

		if m.mend != nil {
			update(ctx, tenant, m.mend)
		}
		if m.elsewhere != nil {
			m.elsewhere(ctx, w)
		}
		eventually(ctx, tenant, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
		w.discard(ctx, tenant)
		discardObjects(ctx, tenant)
	},
		Entry("for an unknown policy", mistake{
			reason: v1alpha1.ReasonPolicyNotFound, says: "kubectl get retentionpolicies",
			make: func(t *v1alpha1.BookingTenant) { t.Spec.RetentionPolicyRef.Name = "nowhere" },
			mend: func(t *v1alpha1.BookingTenant) { t.Spec.RetentionPolicyRef.Name = t.Spec.RegionRef.Name },
		}),
		Entry("for a host that is taken", mistake{
			reason: v1alpha1.ReasonHostTaken, says: "belongs to another tenant",
			make: func(t *v1alpha1.BookingTenant) {
				t.Spec.Instance.Hosts[0] = v1alpha1.Host(strings.Replace(string(t.Spec.Instance.Hosts[0]), "wrong", "older", 1))
			},
			mend: func(t *v1alpha1.BookingTenant) { t.Spec.Instance.Hosts[0] = "free.example.org" },
		}),
		Entry("for a recipient with a wrong character", mistake{
			reason: v1alpha1.ReasonInvalidRecipient, says: "age-keygen",
			make: func(t *v1alpha1.BookingTenant) {
				key := t.Spec.Backup.Recipients[0]
				last := map[bool]v1alpha1.AgeRecipient{true: "p", false: "q"}[strings.HasSuffix(string(key), "q")]
				t.Spec.Backup.Recipients[0] = key[:len(key)-1] + last
			},
			mend: func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Recipients[0] = recipient() },
		}),
		Entry("for a backup on the 30th of February", mistake{
			reason: v1alpha1.ReasonInvalidSchedule, says: "a day that never comes",
			make: func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Schedule = "0 0 30 2 *" },
			mend: func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Schedule = "0 */12 * * *" },
		}),
		Entry("for a schedule's time zone nobody knows", mistake{
			reason: v1alpha1.ReasonInvalidSchedule, says: "Europe/Zurich",
			make: func(t *v1alpha1.BookingTenant) { t.Spec.Backup.TimeZone = "Europe/Entenhausen" },
			mend: func(t *v1alpha1.BookingTenant) { t.Spec.Backup.TimeZone = "Europe/Zurich" },
		}),
		Entry("for an office's time zone nobody knows", mistake{
			reason: v1alpha1.ReasonInvalidCatalogue, says: "Europe/Zurich",
			make: func(t *v1alpha1.BookingTenant) { t.Spec.Catalogue.Offices[0].TimeZone = "Europe/Entenhausen" },
			mend: func(t *v1alpha1.BookingTenant) { t.Spec.Catalogue.Offices[0].TimeZone = "Europe/Zurich" },
		}),
		Entry("for a service longer than the office is open", mistake{
			reason: v1alpha1.ReasonInvalidCatalogue, says: "shorten the service",
			make: func(t *v1alpha1.BookingTenant) { t.Spec.Catalogue.Services[0].Duration = "5h" },
			mend: func(t *v1alpha1.BookingTenant) { t.Spec.Catalogue.Services[0].Duration = "15m" },
		}),
		Entry("for more copies than there are stores", mistake{
			reason: v1alpha1.ReasonNotEnoughStores, says: "lower copies",
			make: func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Copies = 4 },
			mend: func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Copies = 3 },
		}),
		Entry("for an agreement that is not in force yet", mistake{
			reason: v1alpha1.ReasonAgreementNotInForce, says: "in force only from",
			make: func(t *v1alpha1.BookingTenant) { t.Spec.ProcessingAgreement.InForceFrom = "9998-01-01" },
			mend: func(t *v1alpha1.BookingTenant) { t.Spec.ProcessingAgreement.InForceFrom = "2026-01-01" },
		}),
		Entry("for an agreement that has ended", mistake{
			reason: v1alpha1.ReasonAgreementNotInForce, says: "conclude a new one",
			make: func(t *v1alpha1.BookingTenant) {
				ended := v1alpha1.Date("2026-01-02")
				t.Spec.ProcessingAgreement.InForceUntil = &ended
			},
			mend: func(t *v1alpha1.BookingTenant) { t.Spec.ProcessingAgreement.InForceUntil = nil },
		}),
		Entry("in a namespace the region does not admit", mistake{
			reason: v1alpha1.ReasonNamespaceNotAllowed, says: "ask the platform",
			make: func(t *v1alpha1.BookingTenant) {
				t.Namespace = t.Spec.RegionRef.Name + "-stranger"
			},
			elsewhere: func(ctx context.Context, w *world) {
				before := w.region.DeepCopy()
				w.region.Spec.Namespaces.Names = append(w.region.Spec.Namespaces.Names, w.name+"-stranger")
				Expect(admin.Patch(ctx, w.region, mergeFrom(before))).To(Succeed())
			},
		}),
	)

	DescribeTable("goes on as it was last planned while a change of it is refused", func(ctx SpecContext, reason, says string, spoil, mend func(*v1alpha1.BookingTenant)) {
		document := &corev1.ConfigMap{}
		Eventually(ctx, func() error {
			return admin.Get(ctx, client.ObjectKey{Namespace: older.Namespace, Name: older.Name + "-booking"}, document)
		}).WithTimeout(time.Minute).Should(Succeed())
		before := document.Data
		update(ctx, older, spoil)
		stalled := eventually(ctx, older, v1alpha1.ConditionStalled, metav1.ConditionTrue, saying(says))
		Expect(stalled.Reason).To(Equal(reason))
		Expect(w.settingsOf(ctx, older)).To(Equal(before), "the last valid plan keeps serving")
		update(ctx, older, mend)
		Eventually(ctx, func() *metav1.Condition {
			return meta.FindStatusCondition(get(ctx, older).Status.Conditions, v1alpha1.ConditionStalled)
		}).WithTimeout(time.Minute).Should(BeNil())
	},
		Entry("with hours that cross on some Mondays", v1alpha1.ReasonInvalidCatalogue, "two opening hours cross each other on ",
			func(t *v1alpha1.BookingTenant) {
				office := &t.Spec.Catalogue.Offices[0]
				first := office.OpeningHours[0]
				first.WeeksOfMonth = []v1alpha1.WeekOfMonth{v1alpha1.WeekFirst}
				office.OpeningHours = append(office.OpeningHours, first)
			}, func(t *v1alpha1.BookingTenant) {
				office := &t.Spec.Catalogue.Offices[0]
				office.OpeningHours = office.OpeningHours[:len(office.OpeningHours)-1]
			}),
		Entry("with an accent nobody can read", v1alpha1.ReasonInvalidAppearance, "such as the darker shade #",
			func(t *v1alpha1.BookingTenant) { t.Spec.Appearance = &v1alpha1.Appearance{Accent: "#ffee00"} },
			func(t *v1alpha1.BookingTenant) { t.Spec.Appearance = nil }),
	)

	It("is Stalled for an unknown region until the region is declared", func(ctx SpecContext) {
		createNamespace(ctx, w.name+"-later-basel")
		tenant := w.create(ctx, "early", func(t *v1alpha1.BookingTenant) {
			t.Namespace, t.Spec.RegionRef.Name = w.name+"-later-basel", w.name+"-later"
		})
		stalled := eventually(ctx, tenant, v1alpha1.ConditionStalled, metav1.ConditionTrue, saying("kubectl get dataregions"))
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonRegionNotFound))
		Expect(get(ctx, tenant).Finalizers).To(BeEmpty())

		later := newRegion(w.name + "-later")
		later.Spec.DatabaseServers[0].Databases = []string{server.NewDatabase(GinkgoTB())}
		createNamespace(ctx, later.Spec.PlatformNamespace)
		Expect(admin.Create(ctx, later)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, later)).To(Succeed()) })
		eventually(ctx, tenant, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)

		By("a second region in a namespace that is bound to the first")
		before := later.DeepCopy()
		later.Spec.Namespaces.Names = append(later.Spec.Namespaces.Names, w.namespace)
		Expect(admin.Patch(ctx, later, mergeFrom(before))).To(Succeed())
		second := w.create(ctx, "second", func(t *v1alpha1.BookingTenant) { t.Spec.RegionRef.Name = later.Name })
		eventually(ctx, second, v1alpha1.ConditionStalled, metav1.ConditionTrue, saying("is bound to DataRegion "+w.name))
		Expect(objectsOf(ctx, second)).To(BeEmpty())
		w.discard(ctx, second)
	})

	It("keeps no namespace for a region it may never enter", func(ctx SpecContext) {
		shared := w.name + "-shared"
		createNamespace(ctx, shared)
		before := w.region.DeepCopy()
		w.region.Spec.Namespaces.Names = append(w.region.Spec.Namespaces.Names, shared)
		Expect(admin.Patch(ctx, w.region, mergeFrom(before))).To(Succeed())
		stuck := w.create(ctx, "a-stuck", func(t *v1alpha1.BookingTenant) { t.Namespace, t.Spec.RegionRef.Name = shared, "nowhere" })
		eventually(ctx, stuck, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		// Created later, and behind it in the alphabet.
		fine := w.create(ctx, "b-fine", func(t *v1alpha1.BookingTenant) { t.Namespace = shared })
		eventually(ctx, fine, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
	})

	It("is Stalled while its policy keeps data longer than a processor may", func(ctx SpecContext) {
		limit := v1alpha1.Period("60d")
		before := w.region.DeepCopy()
		w.region.Spec.BackupStores[1].Processor.MaximumPeriod = &limit
		Expect(admin.Patch(ctx, w.region, mergeFrom(before))).To(Succeed())
		tenant := w.create(ctx, "wrong")
		stalled := eventually(ctx, tenant, v1alpha1.ConditionStalled, metav1.ConditionTrue, saying("shorten the period", stores[1].Name))
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonPolicyExceedsProcessor))
		Expect(objectsOf(ctx, tenant)).To(BeEmpty())

		before = w.region.DeepCopy()
		w.region.Spec.BackupStores[1].Processor.MaximumPeriod = nil
		Expect(admin.Patch(ctx, w.region, mergeFrom(before))).To(Succeed())
		eventually(ctx, tenant, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
	})
})
