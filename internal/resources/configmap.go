// SPDX-License-Identifier: Apache-2.0

package resources

import (
	"encoding/json"

	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

// InstanceConfigMap holds catalogue and notice. The instance reloads it, so a new opening hour restarts no pod.
func InstanceConfigMap(p *plan.Plan) *coreac.ConfigMapApplyConfiguration {
	return coreac.ConfigMap(InstanceName(p), p.Tenant.Namespace).
		WithLabels(Labels(p, ComponentInstance)).WithOwnerReferences(owner(p)).
		WithData(document(p.Instance.Settings))
}

// RetentionConfigMap holds the settings of the purge.
func RetentionConfigMap(p *plan.Plan) *coreac.ConfigMapApplyConfiguration {
	return coreac.ConfigMap(RetentionName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentRetention)).WithAnnotations(backlink(p)).
		WithData(document(p.Purge.Settings))
}

// ArchiveConfigMap holds the settings of the hand-over.
func ArchiveConfigMap(p *plan.Plan) *coreac.ConfigMapApplyConfiguration {
	return coreac.ConfigMap(ArchiveName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentArchive)).WithAnnotations(backlink(p)).
		WithData(document(p.Archive.Settings))
}

// BackupConfigMap holds the settings of backup and expiry, who share them.
func BackupConfigMap(p *plan.Plan) *coreac.ConfigMapApplyConfiguration {
	return coreac.ConfigMap(BackupName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentBackup)).WithAnnotations(backlink(p)).
		WithData(document(p.Backup.Settings))
}

func document(value any) map[string]string {
	raw, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		panic("settings are plain data: " + err.Error())
	}
	return map[string]string{settings.FileKey: string(raw)}
}
