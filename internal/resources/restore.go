// SPDX-License-Identifier: Apache-2.0

package resources

import (
	"maps"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

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
	keys := map[string][]byte{}
	for _, store := range p.Backup.Stores {
		addKeys(keys, store.Name, in.Stores[store.Name].Keeper)
	}
	document := settings.Restore{
		DataID: p.DataID, Source: p.DataID, Database: p.Backup.Settings.Database, Stores: p.Backup.Settings.Stores,
		Store: in.Restore.Spec.Store, WithoutJournalOf: in.Restore.Spec.WithoutJournalOf, Offline: len(in.Identity) == 0,
	}
	if in.Restore.Spec.At != nil {
		document.At = &in.Restore.Spec.At.Time
	}
	return restoreOf(p, in).objects(p, keys, document, RestoreJob(p, in))
}

// RestoreJob restores into quarantine. Killed and begun again, it begins with an empty one.
func RestoreJob(p *plan.Plan, in RestoreInput) *batchac.JobApplyConfiguration {
	return restoreOf(p, in).job(p, storesVolume(p, RestoreName(p)), "256Mi")
}

func restoreOf(p *plan.Plan, in RestoreInput) quarantine {
	annotations := backlink(p)
	annotations[AnnotationRestore], annotations[AnnotationRestoreName] = string(in.Restore.UID), in.Restore.Name
	return quarantine{name: RestoreName(p), component: ComponentRestore, annotations: annotations, login: in.Credentials, identity: in.Identity}
}

// quarantine is what a restore and an import have in common: all objects of one name, in the platform namespace.
type quarantine struct {
	name        string
	component   Component
	annotations map[string]string
	login       settings.Credentials
	identity    []byte
}

// objects hold the login, the keys of the stores, the age identity where one was given, and the settings document.
func (q quarantine) objects(p *plan.Plan, keys map[string][]byte, settled any, job *batchac.JobApplyConfiguration) []Object {
	namespace := p.Region.PlatformNamespace
	data := login(q.login)
	maps.Copy(data, keys)
	if len(q.identity) > 0 {
		data[settings.IdentityKey] = q.identity
	}
	return []Object{
		object(gvkSecret, namespace, q.name, coreac.Secret(q.name, namespace).
			WithLabels(Labels(p, q.component)).WithAnnotations(q.annotations).
			WithType(corev1.SecretTypeOpaque).WithData(data)),
		object(gvkConfigMap, namespace, q.name, coreac.ConfigMap(q.name, namespace).
			WithLabels(Labels(p, q.component)).WithAnnotations(q.annotations).
			WithData(document(settled))),
		object(batchv1.SchemeGroupVersion.WithKind("Job"), namespace, q.name, job),
	}
}

func (q quarantine) job(p *plan.Plan, stores *coreac.VolumeApplyConfiguration, memory string) *batchac.JobApplyConfiguration {
	c := container(p, string(q.component), string(q.component)).WithVolumeMounts(mount(volumeStores, settings.StoresDir))
	extra := []*coreac.VolumeApplyConfiguration{stores}
	if len(q.identity) > 0 {
		c.WithVolumeMounts(mount(volumeIdentity, settings.IdentityDir))
		extra = append(extra, secretVolume(volumeIdentity, q.name, settings.IdentityKey))
	}
	pod := jobPod(p, q.name, requirements("20m", "64Mi", memory), c).WithVolumes(extra...)
	return batchac.Job(q.name, p.Region.PlatformNamespace).
		WithLabels(Labels(p, q.component)).WithAnnotations(q.annotations).
		WithSpec(jobSpec(p, q.component, limits{activeDeadline: keyLimit(q.identity), backoff: 1}, pod))
}
