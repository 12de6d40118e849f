// SPDX-License-Identifier: Apache-2.0

package resources_test

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/serving"
	"github.com/termintreu/termintreu/internal/settings"
)

// servedPlan is a tenant with everything: two replicas, two hosts, TLS, mail, ingress and staff.
func servedPlan() *plan.Plan {
	database := settings.Database{Host: "pg-1.example.org", Port: 5432, Name: "appointments_1", Schema: "tabcdefghijklmno", CABundle: "PEM"}
	stores := []v1alpha1.BackupStore{{Name: "bern"}, {Name: "zug"}}
	documents := make([]settings.Store, 0, len(stores))
	for _, store := range stores {
		documents = append(documents, settings.Store{
			Name: store.Name, Endpoint: "https://" + store.Name + ".example.org", Bucket: "backups", SigningRegion: "us-east-1", Prefix: "tabcdefghijklmno/",
		})
	}
	return &plan.Plan{
		Tenant: types.NamespacedName{Namespace: "basel", Name: "einwohnerdienste"},
		UID:    "5f1c9a1e-0000-4000-8000-000000000001", DataID: "tabcdefghijklmno",
		Image: "ghcr.io/termintreu/termintreu:v1", ImagePullPolicy: "IfNotPresent", OperatorNamespace: "termintreu-system",
		Region: plan.Region{
			Name: "ch", Country: "CH", NodeLabel: "topology.kubernetes.io/region", NodeValues: []string{"ch"}, PlatformNamespace: "termintreu-ch",
		},
		Database: plan.Database{Name: "appointments_1"},
		Instance: plan.Instance{
			Replicas: 2, Hosts: []string{"termine.basel.example.org", "rendez-vous.basel.example.org"}, TLSSecretName: "site-tls",
			URL: "https://termine.basel.example.org",
			Settings: settings.Instance{
				PlanHash: "0123456789abcdef", URL: "https://termine.basel.example.org", Locales: []v1alpha1.Locale{"de"}, Database: database,
				Staff: &settings.Staff{Issuer: "https://id.example.org", ClientID: "einwohnerdienste", Claim: "groups",
					Grants: []settings.StaffGrant{{Role: v1alpha1.StaffClerk, Values: []string{"termine-clerk"}}}},
			},
			StaffSecretName: "site-oidc",
			EgressCIDRs:     []plan.Endpoint{{CIDR: "192.0.2.10/32", Port: 5432}, {CIDR: "192.0.2.20/32", Port: 587}, {CIDR: "192.0.2.40/32", Port: 443}},
			Ingress: &plan.Ingress{
				Annotations: map[string]string{"nginx.ingress.kubernetes.io/proxy-ssl-secret": "{namespace}/{service}"},
				ClassName:   "public", Namespace: "ingress",
				PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "ingress"}},
				CIDRs:       []string{"192.0.2.60/32"},
			},
		},
		Purge: plan.Purge{Schedule: "15 2 * * *", TimeZone: "Europe/Zurich", Settings: settings.Retain{PlanHash: "0123456789abcdef", Database: database}},
		Backup: plan.Backup{
			Schedule: "0 */12 * * *", TimeZone: "Europe/Zurich", Stores: stores,
			Settings: settings.Backup{
				PlanHash: "0123456789abcdef", DataID: "tabcdefghijklmno", Database: database, Stores: documents,
				Recipients: []string{"age1example"}, Period: "90d",
			},
		},
	}
}

// archivingPlan is a served tenant that hands over.
func archivingPlan() *plan.Plan {
	p := servedPlan()
	p.Archive = &plan.Archive{Stores: []v1alpha1.BackupStore{{Name: "statutory"}}, Settings: settings.Archive{
		PlanHash: "0123456789abcdef", DataID: p.DataID, Database: p.Purge.Settings.Database, Recipients: []string{"age1example"},
		Stores: []settings.Store{{Name: "statutory", Endpoint: "https://statutory.example.org", Bucket: "archive", SigningRegion: "us-east-1", Prefix: "tabcdefghijklmno/"}},
	}}
	return p
}

// plainPlan is a tenant with one replica, no host, no certificate and no mail.
func plainPlan() *plan.Plan {
	p := servedPlan()
	p.Instance.Replicas, p.Instance.Hosts, p.Instance.TLSSecretName, p.Instance.URL = 1, nil, "", ""
	p.Instance.Ingress, p.Instance.EgressCIDRs = nil, p.Instance.EgressCIDRs[:1]
	p.Instance.StaffSecretName, p.Instance.Settings.Staff = "", nil
	p.ImagePullPolicy, p.OperatorNamespace = "", ""
	return p
}

func credentials() resources.Credentials {
	return resources.Credentials{
		Instance:  settings.Credentials{Username: "tabcdefghijklmno_app_a", Password: "instance-password"},
		Retention: settings.Credentials{Username: "tabcdefghijklmno_retention", Password: "retention-password"},
		Backup:    settings.Credentials{Username: "tabcdefghijklmno_backup", Password: "backup-password"},
		Serving:   serving.Pair{Certificate: []byte("certificate"), Key: []byte("serving-key"), Authorities: []byte("authorities")},
		Archive:   settings.Credentials{Username: "tabcdefghijklmno_archive", Password: "archive-password"},
		Archives:  map[string]objectstore.Pair{"statutory": pair("statutory")},
		Stores:    map[string]objectstore.Pair{"bern": pair("bern"), "zug": pair("zug")},
	}
}

func pair(store string) objectstore.Pair {
	return objectstore.Pair{
		Writer: objectstore.Keys{AccessKeyID: store + "-writer", SecretAccessKey: store + "-writes"},
		Keeper: objectstore.Keys{AccessKeyID: store + "-keeper", SecretAccessKey: store + "-keeps"},
	}
}

func region() *v1alpha1.DataRegion {
	return &v1alpha1.DataRegion{
		ObjectMeta: metav1.ObjectMeta{Name: "ch"},
		Spec: v1alpha1.DataRegionSpec{
			PlatformNamespace: "termintreu-ch",
			DatabaseServers:   []v1alpha1.DatabaseServer{{Name: "pg-1", Port: 5432, EndpointCIDRs: []v1alpha1.CIDR{"192.0.2.10/32"}}},
			BackupStores: []v1alpha1.BackupStore{
				{Name: "zug", Endpoint: "https://zug.example.org:9000/", EndpointCIDRs: []v1alpha1.CIDR{"192.0.2.31/32"}},
				{Name: "bern", Endpoint: "https://bern.example.org", EndpointCIDRs: []v1alpha1.CIDR{"192.0.2.30/32", "192.0.2.30/32"}},
			},
		},
	}
}
