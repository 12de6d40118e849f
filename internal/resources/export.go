// SPDX-License-Identifier: Apache-2.0

package resources

import (
	corev1 "k8s.io/api/core/v1"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

// exportSeconds is how long a job may work at one export.
const exportSeconds = 6 * 3600

// ExportName names every object of an export in the platform namespace.
func ExportName(p *plan.Plan) string { return p.DataID + "-export" }

// ExportFiles are Secret and ConfigMap of the export. They are removed with it.
func ExportFiles(p *plan.Plan, credentials Credentials, recipients []v1alpha1.AgeRecipient) []Object {
	namespace, name := p.Region.PlatformNamespace, ExportName(p)
	return []Object{
		object(gvkSecret, namespace, name, ExportSecret(p, credentials)),
		object(gvkConfigMap, namespace, name, ExportConfigMap(p, recipients)),
	}
}

// ExportSecret holds the login that reads and, per store, the tenant's writer, which can neither delete nor list.
func ExportSecret(p *plan.Plan, credentials Credentials) *coreac.SecretApplyConfiguration {
	data := login(credentials.Backup)
	for _, store := range p.Backup.Stores {
		addKeys(data, store.Name, credentials.Stores[store.Name].Writer)
	}
	return coreac.Secret(ExportName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentExport)).WithAnnotations(backlink(p)).
		WithType(corev1.SecretTypeOpaque).WithData(data)
}

// ExportConfigMap holds the settings document; those who can open a backup open the export where nobody else is named.
func ExportConfigMap(p *plan.Plan, recipients []v1alpha1.AgeRecipient) *coreac.ConfigMapApplyConfiguration {
	backup := p.Backup.Settings
	export := settings.Export{
		PlanHash: backup.PlanHash, DataID: p.DataID, Database: backup.Database, Stores: backup.Stores, Recipients: backup.Recipients,
		Controllers: p.Instance.Settings.Notice.Controllers, Catalogue: p.Instance.Settings.Catalogue,
	}
	if len(recipients) > 0 {
		export.Recipients = nil
		for _, recipient := range recipients {
			export.Recipients = append(export.Recipients, string(recipient))
		}
	}
	return coreac.ConfigMap(ExportName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentExport)).WithAnnotations(backlink(p)).
		WithData(document(export))
}

// ExportJob writes the export to every store and reads it back. Begun again, it writes another one.
func ExportJob(p *plan.Plan) *batchac.JobApplyConfiguration {
	pod := jobPod(p, ExportName(p), requirements("20m", "64Mi", "256Mi"),
		container(p, "export", "export").WithVolumeMounts(mount(volumeStores, settings.StoresDir))).
		WithVolumes(storesVolume(p, ExportName(p)))
	return batchac.Job(ExportName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentExport)).WithAnnotations(backlink(p)).
		WithSpec(jobSpec(p, ComponentExport, limits{activeDeadline: exportSeconds, backoff: 2}, pod))
}
