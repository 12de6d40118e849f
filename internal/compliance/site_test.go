// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
)

// shown changes what the booking site had for a certificate.
func shown(change func(*sample)) func(*plan.Plan, *compliance.Evidence) {
	return func(_ *plan.Plan, e *compliance.Evidence) { change(&e.Site) }
}

// B4: citizens' forms travel to a host, and its certificate ends by the clock alone.
func TestTransportIsEncryptedOnlyWithACertificateForTheSite(t *testing.T) {
	expectVerdicts(t, v1alpha1.ConditionTransportEncrypted, map[string]verdict{
		"none declared": {func(p *plan.Plan, _ *compliance.Evidence) { p.Instance.TLSSecretName = "" }, metav1.ConditionFalse, v1alpha1.ReasonNotEncrypted,
			[]string{"citizens reach termine.example.org without TLS", "spec.instance.tlsSecretName"}},
		"no host": {func(p *plan.Plan, e *compliance.Evidence) {
			p.Instance.Hosts, p.Instance.TLSSecretName, e.Site = nil, "", sample{}
		}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"never looked at": {shown(func(s *sample) { *s = sample{} }), metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{"the certificate of the booking site"}},
		"no Secret":       {shown(func(s *sample) { s.Err = errors.New("not found") }), metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed, []string{"not found"}},
		"looked at too long ago": {shown(func(s *sample) { s.At = ago(11 * time.Minute) }), metav1.ConditionUnknown, v1alpha1.ReasonEvidenceStale,
			[]string{"too long ago"}},
		"for another host": {shown(func(s *sample) {
			s.Value.Fault, s.Value.FaultReason = "does not name host termine.example.org", v1alpha1.ReasonCertificateInvalid
		}), metav1.ConditionFalse, v1alpha1.ReasonCertificateInvalid, []string{"Secret basel/site-tls, does not name host termine.example.org"}},
		"ended at this moment": {shown(func(s *sample) { s.Value.NotAfter = now }), metav1.ConditionFalse, v1alpha1.ReasonCertificateExpired,
			[]string{"Secret basel/site-tls, ended at", "renew it"}},
		"not begun": {shown(func(s *sample) { s.Value.NotBefore = now.Add(time.Hour) }), metav1.ConditionFalse, v1alpha1.ReasonCertificateInvalid,
			[]string{"Secret basel/site-tls, is valid from"}},
		"due for renewal": {shown(func(s *sample) { s.Value.NotAfter = now.Add(3 * days) }), metav1.ConditionTrue, v1alpha1.ReasonMeasured,
			[]string{"the certificate of the booking site ends at", "renew it"}},
		"without an end": {shown(func(s *sample) { s.Value.NotAfter = time.Time{} }), metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{"Secret basel/site-tls"}},
	})
}

func TestNoVerdictOutlivesTheSitesCertificate(t *testing.T) {
	e, end := soundEvidence(), now.Add(3*time.Minute)
	e.Site.Value.NotAfter = end
	for _, kind := range []string{v1alpha1.ConditionTransportEncrypted, v1alpha1.ConditionCompliant} {
		if f := find(t, compliance.Judge(baselPlan(), e, clock), kind); f.Status != metav1.ConditionTrue || !f.ValidUntil.Equal(end) {
			t.Errorf("%s is %s until %s, want it True until the certificate ends at %s", kind, f.Status, f.ValidUntil, end)
		}
	}
	late := clock
	late.Now = end
	if f := find(t, compliance.Judge(baselPlan(), e, late), v1alpha1.ConditionTransportEncrypted); f.Reason != v1alpha1.ReasonCertificateExpired {
		t.Errorf("when the certificate has ended, %s is %s because of %s", f.Type, f.Status, f.Reason)
	}
}
