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

const (
	server = "database server pg-1"
	store  = "backup store chur"
)

// met changes how an endpoint was met.
func met(where string, change func(*compliance.Sample[compliance.Endpoint])) func(*plan.Plan, *compliance.Evidence) {
	return func(_ *plan.Plan, e *compliance.Evidence) {
		sample := e.Endpoints[where]
		change(&sample)
		e.Endpoints[where] = sample
	}
}

type sample = compliance.Sample[compliance.Endpoint]

// D2: a host name can be pointed elsewhere, and a bucket be made again.
func TestServerAndStoresAreTheOnesTheirNamesStandFor(t *testing.T) {
	expectVerdicts(t, v1alpha1.ConditionResidencyEnforced, map[string]verdict{
		"another server": {met(server, func(s *sample) { s.Value.Identity, s.Value.Pinned = "77", "42" }), metav1.ConditionFalse, v1alpha1.ReasonServerReplaced,
			[]string{server + " is another server", "identifier is 77", "stands for 42", `systemIdentifier: "77" in DataRegion ch`}},
		"another bucket": {met(store, func(s *sample) { s.Value.Identity = compliance.NoMark }), metav1.ConditionFalse, v1alpha1.ReasonStoreReplaced,
			[]string{"the bucket of " + store + " is another one", "no mark"}},
		"failover and a new certificate": {met(server, func(s *sample) {
			s.Value.Address, s.Value.Key, s.Value.NotAfter = "192.0.2.99:5432", "77aa", now.Add(90*days)
		}), metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"shown to nobody": {met(server, func(s *sample) { s.Value.Identity = "" }), metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence,
			[]string{server + " has not shown which one it is"}},
		"nothing remembered": {met(server, func(s *sample) { s.Value.Pinned = "" }), metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{server}},
		"never met": {func(_ *plan.Plan, e *compliance.Evidence) { delete(e.Endpoints, store) }, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence,
			[]string{"which " + store + " is has not been measured yet"}},
		"no answer": {met(server, func(s *sample) { s.Err = errors.New("no answer") }), metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed, []string{"no answer"}},
	})
}

// B4: certificates end by the clock alone.
func TestTransportIsEncryptedUntilACertificateEnds(t *testing.T) {
	expectVerdicts(t, v1alpha1.ConditionTransportEncrypted, map[string]verdict{
		"all verified": {func(*plan.Plan, *compliance.Evidence) {}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, []string{"4 endpoints speak verified TLS", "names its hosts"}},
		"ended at this moment": {met(store, func(s *sample) { s.Value.NotAfter = now }), metav1.ConditionFalse, v1alpha1.ReasonCertificateExpired,
			[]string{"the certificate of " + store + " ended at", "renew it"}},
		"due for renewal": {met(store, func(s *sample) { s.Value.NotAfter = now.Add(7 * days) }), metav1.ConditionTrue, v1alpha1.ReasonMeasured,
			[]string{"the certificate of " + store + " ends at", "renew it"}},
		"does not verify": {met(server, func(s *sample) {
			s.Value.Fault, s.Value.FaultReason = "its certificate does not verify", v1alpha1.ReasonCertificateInvalid
		}), metav1.ConditionFalse, v1alpha1.ReasonCertificateInvalid, []string{server + ": its certificate does not verify"}},
		"in the clear": {met(server, func(s *sample) {
			s.Value = compliance.Endpoint{Fault: "it does not offer TLS", FaultReason: v1alpha1.ReasonNotEncrypted}
		}), metav1.ConditionFalse, v1alpha1.ReasonNotEncrypted, []string{server + ": it does not offer TLS"}},
		"no certificate seen": {met(server, func(s *sample) { s.Value.NotAfter = time.Time{} }), metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{server}},
		"met too long ago":    {met(server, func(s *sample) { s.At = ago(11 * time.Minute) }), metav1.ConditionUnknown, v1alpha1.ReasonEvidenceStale, []string{"too long ago"}},
		"no answer":           {met(server, func(s *sample) { s.Err = errors.New("no answer") }), metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed, []string{"no answer"}},
	})
}

func TestNoVerdictOutlivesACertificate(t *testing.T) {
	e := soundEvidence()
	end := now.Add(3 * time.Minute)
	met(store, func(s *sample) { s.Value.NotAfter = end })(nil, e)
	findings := compliance.Judge(baselPlan(), e, clock)
	for _, kind := range []string{v1alpha1.ConditionTransportEncrypted, v1alpha1.ConditionCompliant} {
		if f := find(t, findings, kind); f.Status != metav1.ConditionTrue || !f.ValidUntil.Equal(end) {
			t.Errorf("%s is %s until %s, want it True until the certificate ends at %s", kind, f.Status, f.ValidUntil, end)
		}
	}
	late := clock
	late.Now = end
	if f := find(t, compliance.Judge(baselPlan(), e, late), v1alpha1.ConditionTransportEncrypted); f.Reason != v1alpha1.ReasonCertificateExpired {
		t.Errorf("when the certificate has ended, %s is %s because of %s", f.Type, f.Status, f.Reason)
	}
}
