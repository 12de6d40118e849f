// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// UseSite is what the booking site's certificate is called beside those of servers and stores.
const UseSite = "the booking site"

// certified: the certificate citizens are to meet at the site's hosts is there, names every one of them, and has not
// ended (B4). Whom it is signed by, browsers judge. Nothing when the site has no host.
func certified(p *plan.Plan, e *Evidence, clock Clock) (f Finding) {
	if p.Instance.TLSSecretName == "" {
		// What was declared, not what happened: no incident.
		f.fail(v1alpha1.ReasonNotEncrypted, "citizens reach %s without TLS: give the name of a certificate's Secret in spec.instance.tlsSecretName",
			strings.Join(p.Instance.Hosts, ", "))
		return f
	}
	secret := plan.SiteSecret(p)
	if !fresh(e.Site, "the certificate of "+UseSite, &f, clock) {
		return f
	}
	switch met := e.Site.Value; {
	case met.Fault != "":
		f.violate(UseSite, secret, met.FaultReason, "the certificate of %s, %s, %s; renew it in this Secret", UseSite, secret, met.Fault)
	case met.NotAfter.IsZero():
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, secret+" has shown no certificate"
	case clock.Now.Before(met.NotBefore):
		f.violate(UseSite, secret, v1alpha1.ReasonCertificateInvalid, "the certificate of %s, %s, is valid from %s only: browsers refuse it until then",
			UseSite, secret, stamp(met.NotBefore))
	case !clock.Now.Before(met.NotAfter):
		f.violate(UseSite, secret, v1alpha1.ReasonCertificateExpired, "the certificate of %s, %s, ended at %s: renew it", UseSite, secret, stamp(met.NotAfter))
	default:
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.support(met.NotAfter)
	}
	return f
}
