// SPDX-License-Identifier: Apache-2.0

package resources

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

const (
	// ComponentRestore restores into quarantine, in the platform namespace.
	ComponentRestore Component = "restore"
	// AnnotationRestore is the UID of the TenantRestore a job works for.
	AnnotationRestore = "booking.termintreu.dev/restore-uid"
	// AnnotationRestoreName is that TenantRestore's name.
	AnnotationRestoreName = "booking.termintreu.dev/restore-name"

	volumeIdentity = "identity"
	// A restore with its key at hand takes as long as it takes; one that waits for somebody waits a day.
	restoreSeconds = 6 * 3600
	offlineSeconds = 24 * 3600
)

// RestoreInput is what a restore needs beside the plan.
type RestoreInput struct {
	Restore *v1alpha1.TenantRestore
	// Credentials of the login that owns the quarantine.
	Credentials settings.Credentials
	// Stores are the tenant's identities by store name. A restore lists, so it is given the keeper's.
	Stores map[string]objectstore.Pair
	// Identity is the age secret key; empty when its holder is asked.
	Identity []byte
}

// RestoreName names every object of a restore in the platform namespace: one at a time.
func RestoreName(p *plan.Plan) string { return p.DataID + "-restore" }

// RestoreLimit is how many seconds the job may run.
func RestoreLimit(in RestoreInput) int64 { return keyLimit(in.Identity) }

func keyLimit(identity []byte) int64 {
	if len(identity) == 0 {
		return offlineSeconds
	}
	return restoreSeconds
}

// RestoreObjects are Secret, ConfigMap and Job of a restore, in the order of applying. They are removed with it.
func RestoreObjects(p *plan.Plan, in RestoreInput) []Object {
	namespace, name := p.Region.PlatformNamespace, RestoreName(p)
	return []Object{
		object(gvkSecret, namespace, name, RestoreSecret(p, in)),
		object(gvkConfigMap, namespace, name, RestoreConfigMap(p, in)),
		object(batchv1.SchemeGroupVersion.WithKind("Job"), namespace, name, RestoreJob(p, in)),
	}
}

// RestoreSecret holds the login, the identities at the stores, and the age identity where one was given.
func RestoreSecret(p *plan.Plan, in RestoreInput) *coreac.SecretApplyConfiguration {
	data := login(in.Credentials)
	for _, store := range p.Backup.Stores {
		addKeys(data, store.Name, in.Stores[store.Name].Keeper)
	}
	if len(in.Identity) > 0 {
		data[settings.IdentityKey] = in.Identity
	}
	return coreac.Secret(RestoreName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentRestore)).WithAnnotations(restoreBacklink(p, in)).
		WithType(corev1.SecretTypeOpaque).WithData(data)
}

// RestoreConfigMap holds the settings document.
func RestoreConfigMap(p *plan.Plan, in RestoreInput) *coreac.ConfigMapApplyConfiguration {
	document := settings.Restore{
		DataID: p.DataID, Source: p.DataID, Database: p.Backup.Settings.Database, Stores: p.Backup.Settings.Stores,
		Store: in.Restore.Spec.Store, WithoutJournalOf: in.Restore.Spec.WithoutJournalOf, Offline: len(in.Identity) == 0,
	}
	if in.Restore.Spec.At != nil {
		document.At = &in.Restore.Spec.At.Time
	}
	raw, err := json.Marshal(document)
	if err != nil {
		panic("settings are plain data: " + err.Error())
	}
	return coreac.ConfigMap(RestoreName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentRestore)).WithAnnotations(restoreBacklink(p, in)).
		WithData(map[string]string{settings.FileKey: string(raw)})
}

// RestoreJob restores into quarantine. Killed and begun again, it begins with an empty one.
func RestoreJob(p *plan.Plan, in RestoreInput) *batchac.JobApplyConfiguration {
	c := container(p, "restore", "restore").WithVolumeMounts(mount(volumeStores, settings.StoresDir))
	extra := []*coreac.VolumeApplyConfiguration{storesVolume(p, RestoreName(p))}
	if len(in.Identity) > 0 {
		c.WithVolumeMounts(mount(volumeIdentity, settings.IdentityDir))
		extra = append(extra, secretVolume(volumeIdentity, RestoreName(p), settings.IdentityKey))
	}
	pod := jobPod(p, RestoreName(p), requirements("20m", "64Mi", "256Mi"), c).WithVolumes(extra...)
	return batchac.Job(RestoreName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentRestore)).WithAnnotations(restoreBacklink(p, in)).
		WithSpec(jobSpec(p, ComponentRestore, limits{activeDeadline: RestoreLimit(in), backoff: 1}, pod))
}

func restoreBacklink(p *plan.Plan, in RestoreInput) map[string]string {
	annotations := backlink(p)
	annotations[AnnotationRestore], annotations[AnnotationRestoreName] = string(in.Restore.UID), in.Restore.Name
	return annotations
}
