// SPDX-License-Identifier: Apache-2.0

package resources

import (
	"path"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

// limits of a job: how late it may begin, how long it may run, how often it is tried again.
type limits struct {
	startingDeadline, activeDeadline int64
	backoff                          int32
}

var (
	// A purge works in small batches and goes on where it stopped, so a hung one is better killed soon.
	retentionLimits = limits{startingDeadline: 3600, activeDeadline: 900, backoff: 2}
	backupLimits    = limits{startingDeadline: 3600, activeDeadline: 7200, backoff: 1}
)

// finishedTTL keeps a finished job long enough to be looked at; its result is measured, not read from it.
const finishedTTL = 3600

// RetentionCronJob purges what is past its period. It needs neither operator nor BookingTenant alive (invariant 4).
func RetentionCronJob(p *plan.Plan) *batchac.CronJobApplyConfiguration {
	return cronJob(p, ComponentRetention, RetentionName(p), p.Purge.Schedule, p.Purge.TimeZone, retentionLimits,
		jobPod(p, RetentionName(p), requirements("10m", "32Mi", "96Mi"), container(p, "retain", "retain")))
}

// ArchiveCronJob hands over what is due and has it deleted, whenever the purge runs. It may neither read what is not
// due nor delete or list at an archive.
func ArchiveCronJob(p *plan.Plan) *batchac.CronJobApplyConfiguration {
	pod := jobPod(p, ArchiveName(p), requirements("10m", "48Mi", "256Mi"),
		container(p, "archive", "archive").WithVolumeMounts(mount(volumeStores, settings.StoresDir))).
		WithVolumes(keysVolume(p.Archive.Stores, ArchiveName(p)))
	return cronJob(p, ComponentArchive, ArchiveName(p), p.Purge.Schedule, p.Purge.TimeZone, retentionLimits, pod)
}

// BackupCronJob takes backups. What talks to the database can make no backup go: it holds the writer's keys alone.
func BackupCronJob(p *plan.Plan) *batchac.CronJobApplyConfiguration {
	return cronJob(p, ComponentBackup, BackupName(p), p.Backup.Schedule, p.Backup.TimeZone, backupLimits, backupPod(p))
}

// ExpiryCronJob deletes what is past its period and mends what stores lost, as often as backups are taken. It reaches
// no database, and outlives the tenant until the last backup is gone (invariant 4).
func ExpiryCronJob(p *plan.Plan) *batchac.CronJobApplyConfiguration {
	return cronJob(p, ComponentExpiry, ExpiryName(p), p.Backup.Schedule, p.Backup.TimeZone, backupLimits, expiryPod(p))
}

// InitialBackupJob makes the first backup at once, from the same template as the scheduled ones. A Job's template
// cannot change: create it only while there is no backup and no such Job, and never apply it again.
func InitialBackupJob(p *plan.Plan) *batchac.JobApplyConfiguration {
	return batchac.Job(InitialBackupName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentBackup)).WithAnnotations(backlink(p)).
		WithSpec(jobSpec(p, ComponentBackup, backupLimits, backupPod(p)))
}

func cronJob(p *plan.Plan, component Component, name, schedule, zone string, l limits, pod *coreac.PodSpecApplyConfiguration) *batchac.CronJobApplyConfiguration {
	spec := batchac.CronJobSpec().
		WithSchedule(schedule).
		WithConcurrencyPolicy(batchv1.ForbidConcurrent).
		WithStartingDeadlineSeconds(l.startingDeadline).
		WithSuccessfulJobsHistoryLimit(1).
		WithFailedJobsHistoryLimit(2).
		WithJobTemplate(batchac.JobTemplateSpec().
			WithLabels(Labels(p, component)).WithAnnotations(backlink(p)).
			WithSpec(jobSpec(p, component, l, pod)))
	if zone != "" {
		spec.WithTimeZone(zone)
	}
	return batchac.CronJob(name, p.Region.PlatformNamespace).
		WithLabels(Labels(p, component)).WithAnnotations(backlink(p)).WithSpec(spec)
}

func jobSpec(p *plan.Plan, component Component, l limits, pod *coreac.PodSpecApplyConfiguration) *batchac.JobSpecApplyConfiguration {
	return batchac.JobSpec().
		WithActiveDeadlineSeconds(l.activeDeadline).
		WithBackoffLimit(l.backoff).
		WithTTLSecondsAfterFinished(finishedTTL).
		WithTemplate(coreac.PodTemplateSpec().
			WithLabels(Labels(p, component)).WithAnnotations(backlink(p)).WithSpec(pod))
}

func backupPod(p *plan.Plan) *coreac.PodSpecApplyConfiguration {
	return jobPod(p, BackupName(p), requirements("20m", "64Mi", "256Mi"),
		container(p, "backup", "backup").WithVolumeMounts(mount(volumeStores, settings.StoresDir))).
		WithVolumes(storesVolume(p, BackupName(p)))
}

func expiryPod(p *plan.Plan) *coreac.PodSpecApplyConfiguration {
	c := bareContainer(p, "expire", "expire").
		WithVolumeMounts(mount(volumeSettings, path.Dir(settings.File)), scratchMount(), mount(volumeStores, settings.StoresDir)).
		WithResources(requirements("10m", "48Mi", "128Mi"))
	return jobPodSpec(p).WithContainers(c).
		WithVolumes(settingsVolume(BackupName(p)), scratchVolume(resource.MustParse("16Mi")), storesVolume(p, ExpiryName(p)))
}

// storesVolume mounts the keys a Secret holds for every store of the plan.
func storesVolume(p *plan.Plan, secret string) *coreac.VolumeApplyConfiguration {
	return keysVolume(p.Backup.Stores, secret)
}

func keysVolume(stores []v1alpha1.BackupStore, secret string) *coreac.VolumeApplyConfiguration {
	var keys []string
	for _, store := range stores {
		id, key := settings.StoreKeys(store.Name)
		keys = append(keys, id, key)
	}
	return secretVolume(volumeStores, secret, keys...)
}

func jobPod(p *plan.Plan, name string, r *coreac.ResourceRequirementsApplyConfiguration, c *coreac.ContainerApplyConfiguration) *coreac.PodSpecApplyConfiguration {
	return jobPodSpec(p).
		WithContainers(c.WithResources(r)).
		WithVolumes(volumes(name, resource.MustParse("32Mi"))...)
}

func jobPodSpec(p *plan.Plan) *coreac.PodSpecApplyConfiguration {
	return podSpec(p).
		WithServiceAccountName(JobsServiceAccount).
		WithRestartPolicy(corev1.RestartPolicyNever).
		WithTerminationGracePeriodSeconds(30)
}
