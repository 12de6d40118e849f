// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// renewalDue is the last part of a certificate's life in which somebody should long have renewed it: cert-manager
// begins with the last third.
const renewalDue = 5

// transport: what the tenant's data travels over is encrypted and verified, and no certificate there has ended (B4).
// The verdict stands no longer than the first certificate does.
func transport(p *plan.Plan, e *Evidence, clock Clock) Finding {
	var parts []Finding
	var due []string
	for _, use := range Endpoints(p) {
		sample := e.Endpoints[use.Where]
		parts = append(parts, encrypted(use.Where, sample, clock))
		if met := sample.Value; met.Fault == "" && met.dueAt(clock.Now) {
			due = append(due, fmt.Sprintf("the certificate of %s ends at %s: renew it", use.Where, stamp(met.NotAfter)))
		}
	}
	said := fmt.Sprintf("%d endpoints speak verified TLS", len(parts))
	if len(p.Instance.Hosts) > 0 {
		parts = append(parts, certified(p, e, clock))
		said += ", and the certificate of " + UseSite + " names its hosts"
		if met := e.Site.Value; met.Fault == "" && met.dueAt(clock.Now) {
			due = append(due, fmt.Sprintf("the certificate of %s ends at %s: renew it", UseSite, stamp(met.NotAfter)))
		}
	}
	f := join(v1alpha1.ConditionTransportEncrypted, parts...)
	if f.Status == metav1.ConditionTrue {
		f.Message = said
		if len(due) > 0 {
			f.Message += "; " + strings.Join(due, "; ")
		}
	}
	return f
}

func encrypted(where string, sample Sample[Endpoint], clock Clock) Finding {
	f := Finding{}
	if !fresh(sample, "the connection to "+where, &f, clock) {
		return f
	}
	switch met := sample.Value; {
	case met.Fault != "":
		f.violate(where, met.Address, met.FaultReason, "%s: %s; mend its certificate, or the authority in the DataRegion", where, met.Fault)
	case met.NotAfter.IsZero():
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, where+" has shown no certificate"
	case !clock.Now.Before(met.NotAfter):
		f.violate(where, met.Address, v1alpha1.ReasonCertificateExpired, "the certificate of %s ended at %s: renew it", where, stamp(met.NotAfter))
	default:
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.support(met.NotAfter)
	}
	return f
}

// dueAt tells whether the certificate is in the last part of its life.
func (e *Endpoint) dueAt(now time.Time) bool {
	return !e.NotBefore.IsZero() && e.NotAfter.Sub(now) < e.NotAfter.Sub(e.NotBefore)/renewalDue
}
