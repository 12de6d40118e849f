// SPDX-License-Identifier: Apache-2.0

package resources

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

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

// BackupCronJob backs up and expires. Once the tenant is gone and its data retained, it only expires: what nobody
// adds to needs no further copies.
func BackupCronJob(p *plan.Plan, retained bool) *batchac.CronJobApplyConfiguration {
	return cronJob(p, ComponentBackup, BackupName(p), p.Backup.Schedule, p.Backup.TimeZone, backupLimits, backupPod(p, retained))
}

// InitialBackupJob makes the first backup at once, from the same template as the scheduled ones. A Job's template
// cannot change: create it only while there is no backup and no such Job, and never apply it again.
func InitialBackupJob(p *plan.Plan) *batchac.JobApplyConfiguration {
	return batchac.Job(InitialBackupName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentBackup)).WithAnnotations(backlink(p)).
		WithSpec(jobSpec(p, ComponentBackup, backupLimits, backupPod(p, false)))
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

func backupPod(p *plan.Plan, retained bool) *coreac.PodSpecApplyConfiguration {
	command := "backup"
	if retained {
		command = "expire"
	}
	var keys []string
	for _, store := range p.Backup.Stores {
		id, secret := settings.StoreKeys(store.Name)
		keys = append(keys, id, secret)
	}
	return jobPod(p, BackupName(p), requirements("20m", "64Mi", "256Mi"),
		container(p, command, command).WithVolumeMounts(mount(volumeStores, settings.StoresDir))).
		WithVolumes(secretVolume(volumeStores, BackupName(p), keys...))
}

func jobPod(p *plan.Plan, name string, r *coreac.ResourceRequirementsApplyConfiguration, c *coreac.ContainerApplyConfiguration) *coreac.PodSpecApplyConfiguration {
	return podSpec(p).
		WithServiceAccountName(JobsServiceAccount).
		WithRestartPolicy(corev1.RestartPolicyNever).
		WithTerminationGracePeriodSeconds(30).
		WithContainers(c.WithResources(r)).
		WithVolumes(volumes(name, resource.MustParse("32Mi"))...)
}
