// SPDX-License-Identifier: Apache-2.0

package resources

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

const (
	// ComponentImport takes an export into a new tenant, in the platform namespace.
	ComponentImport Component = "import"
	// AnnotationImport is a digest of what the import was made from: another one is another import.
	AnnotationImport = "booking.termintreu.dev/import"
)

// ImportInput is what an import needs beside the plan.
type ImportInput struct {
	Import plan.Import
	// Made is the value of AnnotationImport.
	Made string
	// Credentials of the login that owns the quarantine.
	Credentials settings.Credentials
	// Keys of the tenant's writer, which can read what it knows the name of, and neither list nor delete.
	Keys objectstore.Keys
	// Identity is the age secret key; empty when its holder is asked.
	Identity []byte
}

// ImportName names every object of an import in the platform namespace.
func ImportName(p *plan.Plan) string { return p.DataID + "-import" }

// ImportLimit is how many seconds the job may run.
func ImportLimit(in ImportInput) int64 { return keyLimit(in.Identity) }

// ImportObjects are Secret, ConfigMap and Job of an import, in the order of applying. They are removed with it: no key
// outlives what it was for.
func ImportObjects(p *plan.Plan, in ImportInput) []Object {
	namespace, name := p.Region.PlatformNamespace, ImportName(p)
	return []Object{
		object(gvkSecret, namespace, name, ImportSecret(p, in)),
		object(gvkConfigMap, namespace, name, ImportConfigMap(p, in)),
		object(batchv1.SchemeGroupVersion.WithKind("Job"), namespace, name, ImportJob(p, in)),
	}
}

// ImportSecret holds the login, the identity at the store, and the age identity where one was given.
func ImportSecret(p *plan.Plan, in ImportInput) *coreac.SecretApplyConfiguration {
	data := login(in.Credentials)
	addKeys(data, in.Import.Store.Name, in.Keys)
	if len(in.Identity) > 0 {
		data[settings.IdentityKey] = in.Identity
	}
	return coreac.Secret(ImportName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentImport)).WithAnnotations(backlink(p)).
		WithType(corev1.SecretTypeOpaque).WithData(data)
}

// ImportConfigMap holds the settings document.
func ImportConfigMap(p *plan.Plan, in ImportInput) *coreac.ConfigMapApplyConfiguration {
	made := in.Import.Settings
	made.Offline = len(in.Identity) == 0
	return coreac.ConfigMap(ImportName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentImport)).WithAnnotations(backlink(p)).
		WithData(document(made))
}

// ImportJob imports into quarantine, in one transaction. Killed and begun again, it begins with an empty one.
func ImportJob(p *plan.Plan, in ImportInput) *batchac.JobApplyConfiguration {
	id, key := settings.StoreKeys(in.Import.Store.Name)
	c := container(p, "import", "import").WithVolumeMounts(mount(volumeStores, settings.StoresDir))
	extra := []*coreac.VolumeApplyConfiguration{secretVolume(volumeStores, ImportName(p), id, key)}
	if len(in.Identity) > 0 {
		c.WithVolumeMounts(mount(volumeIdentity, settings.IdentityDir))
		extra = append(extra, secretVolume(volumeIdentity, ImportName(p), settings.IdentityKey))
	}
	pod := jobPod(p, ImportName(p), requirements("20m", "64Mi", "384Mi"), c).WithVolumes(extra...)
	annotations := backlink(p)
	annotations[AnnotationImport] = in.Made
	return batchac.Job(ImportName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentImport)).WithAnnotations(annotations).
		WithSpec(jobSpec(p, ComponentImport, limits{activeDeadline: ImportLimit(in), backoff: 1}, pod))
}
