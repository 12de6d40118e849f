// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

const portHTTPS = 443

// checkStaff refuses a staff side that would be open, unseen or unreachable (T5, T6).
func checkStaff(in *Input) *Refusal {
	staff := in.Tenant.Spec.Staff
	if staff == nil {
		return nil
	}
	if in.Region.Spec.StaffIdentity == nil {
		return refuse(v1alpha1.ReasonInvalidStaff, "spec.staff is set, but DataRegion %s declares no identity provider: ask the platform for spec.staffIdentity, or remove spec.staff", in.Region.Name)
	}
	if len(in.Tenant.Spec.Instance.Hosts) == 0 || in.Tenant.Spec.Instance.TLSSecretName == "" {
		return refuse(v1alpha1.ReasonInvalidStaff, "spec.staff needs a site over TLS, since its sessions travel with every request: give spec.instance.hosts and spec.instance.tlsSecretName")
	}
	audited := slices.ContainsFunc(in.Policy.Spec.Rules, func(rule v1alpha1.RetentionRule) bool { return rule.Category == v1alpha1.CategoryAuditLog })
	if !audited {
		return refuse(v1alpha1.ReasonInvalidStaff, "spec.staff needs an audit log, but RetentionPolicy %s has no rule for category AuditLog: ask the data protection officer to add one, such as 365d", in.Policy.Name)
	}
	for _, grant := range staff.Grants {
		for _, name := range grant.Offices {
			if !slices.ContainsFunc(in.Tenant.Spec.Catalogue.Offices, func(office v1alpha1.Office) bool { return office.Name == name }) {
				return refuse(v1alpha1.ReasonInvalidStaff, "spec.staff.grants gives role %s at office %s, which spec.catalogue.offices does not list: correct the name, or leave offices out for all", grant.Role, name)
			}
		}
	}
	return nil
}

// buildStaff gives the instance a staff side where the tenant asks for one and nothing is wrong with it. The provider
// learns who works for the authority and nothing of citizens, so the citizens' notice does not name it.
func buildStaff(in *Input, p *Plan) {
	staff, identity := in.Tenant.Spec.Staff, in.Region.Spec.StaffIdentity
	if staff == nil || checkStaff(in) != nil {
		return
	}
	document := &settings.Staff{Issuer: identity.Issuer, ClientID: staff.ClientID, CABundle: identity.CABundle, Claim: identity.Claim}
	for _, grant := range staff.Grants {
		document.Grants = append(document.Grants, settings.StaffGrant{Role: grant.Role, Values: grant.Values, Offices: grant.Offices})
	}
	p.Instance.Settings.Staff = document
	p.Instance.StaffSecretName = staff.ClientSecretRef.Name
	p.Instance.EgressCIDRs = endpoints(p.Instance.EgressCIDRs, identity.EndpointCIDRs, issuerPort(identity.Issuer))
}

func issuerPort(issuer string) int32 {
	address, err := url.Parse(issuer)
	if err != nil {
		return portHTTPS
	}
	port, err := strconv.ParseInt(address.Port(), 10, 32)
	if err != nil {
		return portHTTPS
	}
	return int32(port)
}
