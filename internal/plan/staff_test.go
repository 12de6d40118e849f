// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"slices"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

func withStaff(in *plan.Input) {
	in.Policy.Spec.Rules = append(in.Policy.Spec.Rules, v1alpha1.RetentionRule{Category: v1alpha1.CategoryAuditLog, StartEvent: v1alpha1.StartCreation,
		Period: "365d", Action: v1alpha1.ActionDelete, ApprovedOn: day(-60)})
	in.Region.Spec.StaffIdentity = &v1alpha1.StaffIdentity{Issuer: "https://id.example.org:8443/realms/basel", CABundle: "PEM id", Claim: "groups",
		EndpointCIDRs: []v1alpha1.CIDR{"192.0.2.40/32"}, Processor: v1alpha1.Processor{Name: "Identity AG", Country: "CH"}}
	in.Tenant.Spec.Staff = &v1alpha1.StaffSpec{ClientID: "site", ClientSecretRef: v1alpha1.SecretReference{Name: "site-oidc"},
		Grants: []v1alpha1.StaffGrant{{Role: v1alpha1.StaffClerk, Values: []string{"termine-clerk"}, Offices: []v1alpha1.CatalogueName{"spiegelhof"}}}}
}

func TestCheckRefusesAStaffSideThatWouldBeOpenUnseenOrUnreachable(t *testing.T) { // T5, T6
	spoiled := func(spoil func(*plan.Input)) func(*plan.Input) {
		return func(in *plan.Input) {
			withStaff(in)
			spoil(in)
		}
	}
	reason := v1alpha1.ReasonInvalidStaff
	expectRefusals(t, map[string]wrong{
		"no identity provider": {spoiled(func(in *plan.Input) { in.Region.Spec.StaffIdentity = nil }), reason, []string{"DataRegion ch", "spec.staffIdentity"}},
		"no TLS":               {spoiled(func(in *plan.Input) { in.Tenant.Spec.Instance.TLSSecretName = "" }), reason, []string{"TLS", "spec.instance.tlsSecretName"}},
		"no host":              {spoiled(func(in *plan.Input) { in.Tenant.Spec.Instance.Hosts = nil }), reason, []string{"spec.instance.hosts"}},
		"no audit log": {spoiled(func(in *plan.Input) { in.Policy.Spec.Rules = in.Policy.Spec.Rules[:len(in.Policy.Spec.Rules)-1] }), reason,
			[]string{"RetentionPolicy basel", "AuditLog"}},
		"an office that is not there": {spoiled(func(in *plan.Input) { in.Tenant.Spec.Staff.Grants[0].Offices[0] = "nowhere" }), reason, []string{"office nowhere", "spec.catalogue.offices"}},
	})
}

func TestBuildLetsTheInstanceReachTheIdentityProviderAndJudgesItsCompany(t *testing.T) {
	in := soundInput(t)
	withStaff(&in)
	if refusal := plan.Check(in); refusal != nil {
		t.Fatalf("refused with %s: %s", refusal.Reason, refusal.Message)
	}
	p, err := plan.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	if p.Instance.StaffSecretName != "site-oidc" || p.Instance.Settings.Staff == nil || p.Instance.Settings.Staff.Grants[0].Values[0] != "termine-clerk" {
		t.Errorf("the instance is told %+v", p.Instance.Settings.Staff)
	}
	if !slices.Contains(p.Instance.EgressCIDRs, plan.Endpoint{CIDR: "192.0.2.40/32", Port: 8443}) {
		t.Errorf("the instance may reach %v", p.Instance.EgressCIDRs)
	}
	if !slices.ContainsFunc(p.Processors, func(use plan.ProcessorUse) bool { return use.Processor.Name == "Identity AG" }) {
		t.Error("the identity provider's company is not judged")
	}
	in.Tenant.Spec.Staff = nil
	if p, err = plan.Build(in); err != nil || p.Instance.Settings.Staff != nil || p.Instance.StaffSecretName != "" {
		t.Errorf("without staff the plan has %+v, error %v", p.Instance.Settings.Staff, err)
	}
	if slices.ContainsFunc(p.Processors, func(use plan.ProcessorUse) bool { return use.Processor.Name == "Identity AG" }) {
		t.Error("a company that sees nothing of the tenant is judged")
	}
}
