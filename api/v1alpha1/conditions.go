// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types of a BookingTenant. Ready, Reconciling and Stalled follow kstatus, where Reconciling and Stalled
// are present only while True.
const (
	// ConditionReady is True when the tenant's objects are in place and its site answers; it says nothing of
	// compliance, so that a site is not taken down by a late purge. Once the contract has ended, it is True when the
	// export lies at every store.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the operator works towards the spec.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the operator cannot go on until somebody mends the spec, policy or region.
	ConditionStalled = "Stalled"
	// ConditionDatabaseReady is True when schema, roles and migrations are in place.
	ConditionDatabaseReady = "DatabaseReady"
	// ConditionInstanceAvailable is True when enough replicas of the booking site answer.
	ConditionInstanceAvailable = "InstanceAvailable"

	// ConditionResidencyEnforced is the verdict over where the tenant's pods and jobs run.
	ConditionResidencyEnforced = "ResidencyEnforced"
	// ConditionProcessorsPermitted is the verdict over who processes the tenant's data, and in which countries.
	ConditionProcessorsPermitted = "ProcessorsPermitted"
	// ConditionAdmissionEnforced is a DataRegion's verdict over its admission policies: True only after a dry-run
	// binding to a foreign node was refused.
	ConditionAdmissionEnforced = "AdmissionEnforced"
	// ConditionTransportEncrypted is the verdict over the connections to database server, stores and booking site: TLS,
	// verified, with certificates that have not ended.
	ConditionTransportEncrypted = "TransportEncrypted"
	// ConditionEgressRestricted is the verdict over where the tenant's instance can connect to: True only after a
	// connection to an undeclared address was refused while its database server answered. The DataRegion says whether
	// Compliant requires it; it is absent where the operator does not ask instances and nothing requires it.
	ConditionEgressRestricted = "EgressRestricted"
	// ConditionRetentionEnforced is the verdict over records past their period.
	ConditionRetentionEnforced = "RetentionEnforced"
	// ConditionBackupsCurrent is the verdict over copies and expiry of backups.
	ConditionBackupsCurrent = "BackupsCurrent"
	// ConditionNoticeConsistent is the verdict over the privacy notice the site publishes; absent where the operator
	// does not read notices.
	ConditionNoticeConsistent = "NoticeConsistent"
	// ConditionAppointmentsCovered is True when the catalogue in force has room for every confirmed appointment ahead.
	// A change that orphans some is applied and shown here; it says nothing of compliance, and is absent where the
	// operator does not ask instances.
	ConditionAppointmentsCovered = "AppointmentsCovered"
	// ConditionOffboarded is True when the contract has ended, the data is deleted and its certificate issued; absent
	// without spec.offboarding.
	ConditionOffboarded = "Offboarded"
	// ConditionIssued of a DeletionCertificate is True when the deletion was verified and signed.
	ConditionIssued = "Issued"
	// ConditionComplete of a DeletionCertificate is True when no store holds a backup or an export any longer.
	ConditionComplete = "Complete"
	// ConditionRecoveryKeyProven is True once the holder of the recovery key has answered the challenge of a restore, for
	// the recipients the tenant has; Unknown until then. It says nothing of compliance.
	ConditionRecoveryKeyProven = "RecoveryKeyProven"
	// ConditionCompliant sums the verdicts up: False when one is False, else Unknown when one is Unknown, else True.
	ConditionCompliant = "Compliant"
)

// Reasons of Ready, Reconciling and Stalled.
const (
	// ReasonSucceeded means everything asked for is in place.
	ReasonSucceeded = "Succeeded"
	// ReasonProgressing means the operator is at work.
	ReasonProgressing = "Progressing"
	// ReasonPaused means spec.paused keeps the operator from changing anything.
	ReasonPaused = "Paused"
	// ReasonDeleting means the tenant's data is being retained or deleted.
	ReasonDeleting = "Deleting"
	// ReasonRegionNotFound means spec.regionRef names no DataRegion.
	ReasonRegionNotFound = "RegionNotFound"
	// ReasonPolicyNotFound means spec.retentionPolicyRef names no RetentionPolicy.
	ReasonPolicyNotFound = "PolicyNotFound"
	// ReasonNamespaceNotAllowed means the region does not admit the tenant's namespace.
	ReasonNamespaceNotAllowed = "NamespaceNotAllowed"
	// ReasonNamespaceBoundElsewhere means the namespace holds a tenant of another region.
	ReasonNamespaceBoundElsewhere = "NamespaceBoundElsewhere"
	// ReasonAgreementNotInForce means the processing agreement has not begun or has ended (M1).
	ReasonAgreementNotInForce = "AgreementNotInForce"
	// ReasonPolicyExceedsProcessor means a processor of the region may not keep data as long as the policy does (D6).
	ReasonPolicyExceedsProcessor = "PolicyExceedsProcessor"
	// ReasonOtherCopiesTooLong means a declared copy of the database server outlives the policy's backup period (B2).
	ReasonOtherCopiesTooLong = "OtherCopiesTooLong"
	// ReasonNotEnoughStores means the region has fewer stores than the tenant asks copies.
	ReasonNotEnoughStores = "NotEnoughStores"
	// ReasonNoArchive means a rule of the policy hands over, and the region declares no archive to hand over to.
	ReasonNoArchive = "NoArchive"
	// ReasonInvalidSchedule means a cron schedule or its time zone cannot be read, or never fires.
	ReasonInvalidSchedule = "InvalidSchedule"
	// ReasonInvalidPeriod means a period cannot be read or contradicts another one.
	ReasonInvalidPeriod = "InvalidPeriod"
	// ReasonInvalidRecipient means a backup recipient is no age public key.
	ReasonInvalidRecipient = "InvalidRecipient"
	// ReasonInvalidCatalogue means offices, services or opening hours contradict each other.
	ReasonInvalidCatalogue = "InvalidCatalogue"
	// ReasonInvalidAppearance means citizens could not read the accent colour, or the logo is more than a picture.
	ReasonInvalidAppearance = "InvalidAppearance"
	// ReasonInvalidStaff means the staff side cannot be served safely: no identity provider, no TLS, no audit log, or a
	// grant at an office that is not there.
	ReasonInvalidStaff = "InvalidStaff"
	// ReasonHostTaken means another tenant has the host.
	ReasonHostTaken = "HostTaken"
	// ReasonNoCapacity means every database of the region is full.
	ReasonNoCapacity = "NoCapacity"
	// ReasonNoTrustedNode means no node carries a label value the region trusts.
	ReasonNoTrustedNode = "NoTrustedNode"
	// ReasonDependencyUnavailable means a database server, a store or the API server did not answer; it is retried.
	ReasonDependencyUnavailable = "DependencyUnavailable"
	// ReasonKeyAnswered means the holder of the recovery key has answered the challenge of a restore.
	ReasonKeyAnswered = "KeyAnswered"
	// ReasonKeyNeverAnswered means nobody has shown yet that they hold a key to the tenant's backups.
	ReasonKeyNeverAnswered = "KeyNeverAnswered"
	// ReasonRestoring means a backup is being brought back, and the site does not serve meanwhile.
	ReasonRestoring = "Restoring"
	// ReasonRestored means the backup is in use, and the proof is in the status.
	ReasonRestored = "Restored"
	// ReasonRestoreFailed means the backup was not brought back; what was in use is as it was.
	ReasonRestoreFailed = "RestoreFailed"
	// ReasonAwaitingExport means spec.bootstrap.import names an export that does not lie at its store yet.
	ReasonAwaitingExport = "AwaitingExport"
	// ReasonImporting means an export is being taken in, and the site does not serve before it is proven.
	ReasonImporting = "Importing"
	// ReasonImportFailed means nothing of the export was taken in; the message says why and how to mend it.
	ReasonImportFailed = "ImportFailed"
	// ReasonInvalidImport means spec.bootstrap.import names a store the tenant has no copies at, or an export too old.
	ReasonInvalidImport = "InvalidImport"
	// ReasonTenantNotFound means spec.tenantRef names no BookingTenant of the namespace.
	ReasonTenantNotFound = "TenantNotFound"
	// ReasonInvalidSpec means a DataRegion or RetentionPolicy contradicts itself.
	ReasonInvalidSpec = "InvalidSpec"
)

// Reasons of Offboarded.
const (
	// ReasonContractEnds means the site takes no bookings any more, and the contract has not ended yet.
	ReasonContractEnds = "ContractEnds"
	// ReasonExporting means the site has stopped and the export is being written to the stores.
	ReasonExporting = "Exporting"
	// ReasonExportFailed means the export is not at every store; the data is kept and the export tried again.
	ReasonExportFailed = "ExportFailed"
	// ReasonExported means the export lies at every store, and the data waits for the end of the period of TenantData.
	ReasonExported = "Exported"
	// ReasonCertified means the data is deleted and the certificate issued.
	ReasonCertified = "Certified"
	// ReasonNoData means the tenant has no data in its region.
	ReasonNoData = "NoData"
)

// Reasons of Issued and Complete.
const (
	// ReasonVerifiedAbsent means schema and roles were read back absent.
	ReasonVerifiedAbsent = "VerifiedAbsent"
	// ReasonBackupsRemain means a store still holds backups or exports within their period.
	ReasonBackupsRemain = "BackupsRemain"
	// ReasonBackupsGone means every store was listed and holds nothing of the tenant.
	ReasonBackupsGone = "BackupsGone"
)

// Reasons of DatabaseReady and InstanceAvailable.
const (
	// ReasonMigrated means schema, roles and migrations are in place.
	ReasonMigrated = "Migrated"
	// ReasonAvailable means enough replicas answer.
	ReasonAvailable = "Available"
	// ReasonUnavailable means too few replicas answer.
	ReasonUnavailable = "Unavailable"
	// ReasonNotServing means the site must not serve yet or any longer.
	ReasonNotServing = "NotServing"
)

// Reasons of the verdicts.
const (
	// ReasonMeasured means fresh evidence supports the claim.
	ReasonMeasured = "Measured"
	// ReasonNoEvidence means nothing was measured yet.
	ReasonNoEvidence = "NoEvidence"
	// ReasonEvidenceStale means the evidence is older than maxEvidenceAge.
	ReasonEvidenceStale = "EvidenceStale"
	// ReasonMeasurementFailed means the last measurement failed, so nothing can be said.
	ReasonMeasurementFailed = "MeasurementFailed"
	// ReasonForeignNode means a pod or job runs on a node the region does not trust.
	ReasonForeignNode = "ForeignNode"
	// ReasonPlacementUnenforced means an object of the tenant lacks the affinity to the region's nodes.
	ReasonPlacementUnenforced = "PlacementUnenforced"
	// ReasonJobMissing means that a job of a removed tenant, which its data still needs, was deleted; it is made again.
	ReasonJobMissing = "JobMissing"
	// ReasonJobSuspended means that a job of a removed tenant was suspended; it is set going again.
	ReasonJobSuspended = "JobSuspended"
	// ReasonEgressOpen means an address the region does not declare answered the tenant's instance.
	ReasonEgressOpen = "EgressOpen"
	// ReasonAdmissionOpen means a dry-run binding to a foreign node was not refused: the admission policies are missing.
	ReasonAdmissionOpen = "AdmissionOpen"
	// ReasonServerReplaced means the database server shows another system identifier than the one its name stands for.
	ReasonServerReplaced = "ServerReplaced"
	// ReasonStoreReplaced means the bucket of a store is another one than the store's name stands for.
	ReasonStoreReplaced = "StoreReplaced"
	// ReasonNotEncrypted means an endpoint does not offer TLS.
	ReasonNotEncrypted = "NotEncrypted"
	// ReasonCertificateInvalid means an endpoint's certificate does not verify: another authority, or another name.
	ReasonCertificateInvalid = "CertificateInvalid"
	// ReasonCountryNotAllowed means a processor works in, or accesses data from, a country the region does not allow.
	ReasonCountryNotAllowed = "CountryNotAllowed"
	// ReasonCertificateExpired means a certificate, a processor's attestation or an endpoint's, is past its end.
	ReasonCertificateExpired = "CertificateExpired"
	// ReasonOverdue means records are past their period and still there.
	ReasonOverdue = "Overdue"
	// ReasonRuleNotApplied means the database enforces another period than the policy gives.
	ReasonRuleNotApplied = "RuleNotApplied"
	// ReasonUncoveredColumn means the schema has a column no category, and so no rule, covers (M3).
	ReasonUncoveredColumn = "UncoveredColumn"
	// ReasonSuspended means the policy pauses deletion.
	ReasonSuspended = "Suspended"
	// ReasonCopyMissing means a store lacks a copy of the newest backup, or has none recent enough.
	ReasonCopyMissing = "CopyMissing"
	// ReasonBackupOverdue means a backup is past its period and still at a store.
	ReasonBackupOverdue = "BackupOverdue"
	// ReasonCopyUnlocked means the region requires a lock of a store whose newest copy shows none in force.
	ReasonCopyUnlocked = "CopyUnlocked"
	// ReasonLockOutlivesPeriod means a copy is locked beyond its period: nobody can delete it when it is due.
	ReasonLockOutlivesPeriod = "LockOutlivesPeriod"
	// ReasonRestorableUnproven means no store's newest backup was shown to be restorable.
	ReasonRestorableUnproven = "RestorableUnproven"
	// ReasonRestoreUntested means no backup was restored on trial and found equal, or not for longer than the policy says.
	ReasonRestoreUntested = "RestoreUntested"
	// ReasonRestoreDiffers means the last backup restored on trial was not equal to what it was taken from.
	ReasonRestoreDiffers = "RestoreDiffers"
	// ReasonScratchLeft means a killed restore on trial left a copy of the data.
	ReasonScratchLeft = "ScratchLeft"
	// ReasonErasureOverdue means erasures citizens asked for have waited too long for a store to have their journal.
	ReasonErasureOverdue = "ErasureOverdue"
	// ReasonNoticeDiffers means the site publishes another notice than the plan in force gives.
	ReasonNoticeDiffers = "NoticeDiffers"
	// ReasonNoticeRolling means the plan has just changed and the site has not taken it up yet.
	ReasonNoticeRolling = "NoticeRolling"
	// ReasonAppointmentsOrphaned means the catalogue has no room for confirmed appointments: their office, service, channel
	// or counter is gone, or the office is closed at their time. They stay valid; the message counts them by office and
	// service.
	ReasonAppointmentsOrphaned = "AppointmentsOrphaned"
	// ReasonCatalogueRolling means the instance has not taken the catalogue in force up yet.
	ReasonCatalogueRolling = "CatalogueRolling"
	// ReasonAllClaimsHold means every verdict is True.
	ReasonAllClaimsHold = "AllClaimsHold"
	// ReasonClaimFailed means a verdict is False; the message names it.
	ReasonClaimFailed = "ClaimFailed"
	// ReasonClaimUnknown means a verdict is Unknown; the message names it.
	ReasonClaimUnknown = "ClaimUnknown"
)
