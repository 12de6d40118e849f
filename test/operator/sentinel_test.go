// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/operator"
)

// Acceptance 7: a dead operator cannot leave Compliant=True standing.
var _ = Describe("The sentinel", func() {
	It("turns verdicts Unknown once nobody renews them, and the operator turns them back", func(ctx SpecContext) {
		w := newWorld(ctx)
		hasty := func(o *operator.Options) { o.MeasureInterval, o.MaxEvidenceAge = time.Second, 6*time.Second }
		living := startOperator(hasty)
		startSentinel()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)

		By("the operator dying")
		living.kill()
		until := get(ctx, tenant).Status.Compliance.ValidUntil
		for _, claim := range []string{
			v1alpha1.ConditionResidencyEnforced, v1alpha1.ConditionRetentionEnforced, v1alpha1.ConditionBackupsCurrent, v1alpha1.ConditionCompliant,
		} {
			eventually(ctx, tenant, claim, metav1.ConditionUnknown, saying("is the operator running?"))
		}
		Expect(time.Now()).To(BeTemporally(">", until.Time))
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)

		By("another one coming")
		startOperator(hasty)
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
	})
})
