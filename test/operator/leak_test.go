// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"encoding/json"
	"io"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// citizens are how every person is called whom a spec puts into a schema.
var citizens = []string{"Geheim", "Quittenbaum"}

// said is everything the operator logs, in whatever spec.
var said = &transcript{}

type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *transcript) Write(line []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(line)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// logTo keeps what is logged beside what Ginkgo shows of a failed spec.
func logTo() io.Writer { return io.MultiWriter(GinkgoWriter, said) }

// Invariant 2, whatever a spec was about: restores, imports, exports, certificates and what the operator tells of them.
var _ = AfterEach(func(ctx SpecContext) {
	for _, list := range []client.ObjectList{
		&v1alpha1.BookingTenantList{}, &v1alpha1.DataRegionList{}, &v1alpha1.RetentionPolicyList{}, &v1alpha1.TenantRestoreList{},
		&v1alpha1.DeletionCertificateList{}, &eventsv1.EventList{}, &batchv1.JobList{}, &batchv1.CronJobList{}, &corev1.ConfigMapList{},
	} {
		Expect(admin.List(ctx, list)).To(Succeed())
		raw, err := json.Marshal(list)
		Expect(err).NotTo(HaveOccurred())
		expectNobody("a %T", string(raw), list)
	}
	secrets := &corev1.SecretList{}
	Expect(admin.List(ctx, secrets)).To(Succeed())
	for _, secret := range secrets.Items {
		for key, data := range secret.Data {
			expectNobody("Secret %s, key %s", string(data), secret.Name, key)
		}
	}
})

var _ = AfterSuite(func() {
	Expect(said.String()).NotTo(BeEmpty(), "the operator was not listened to")
	expectNobody("the log of the operator", said.String())
	expectNobody("the log of the database server", server.Log())
})

func expectNobody(where, text string, arguments ...any) {
	GinkgoHelper()
	for _, name := range citizens {
		if strings.Contains(text, name) {
			Expect(text).NotTo(ContainSubstring(name), append([]any{where + " names a citizen"}, arguments...)...)
		}
	}
}
