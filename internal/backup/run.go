// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/settings"
)

// defaultPatience is how long the others wait for a store that lags before they leave it behind.
const defaultPatience = 10 * time.Second

// StoreKeys gives the credentials of a store; settings.ReadStoreKeys bound to a directory is one.
type StoreKeys func(store string) (accessKeyID, secretAccessKey string, err error)

// Open gives a client of one of a tenant's own stores; the default timeout when it is zero.
func (k StoreKeys) Open(store settings.Store, dataID string, timeout time.Duration) (*objectstore.Client, error) {
	if store.Prefix != dataID+"/" {
		return nil, fmt.Errorf("store %s: prefix %q is not that of %s", store.Name, store.Prefix, dataID)
	}
	return k.OpenAny(store, timeout)
}

// OpenAny is Open for a store whose prefix may be another tenant's, as that of an import is.
func (k StoreKeys) OpenAny(store settings.Store, timeout time.Duration) (*objectstore.Client, error) {
	accessKeyID, secretAccessKey, err := k(store.Name)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", store.Name, err)
	}
	return objectstore.New(objectstore.Config{Store: store, AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey, Timeout: timeout})
}

// Options of a run. Settings and Keys are needed; Credentials by Run only.
type Options struct {
	Settings    settings.Backup
	Credentials settings.Credentials
	Keys        StoreKeys
	// Scratch is a writable directory; the system's temporary one when empty. It never holds data of the tenant.
	Scratch string
	// PGDump and PGRestore are the programs; "pg_dump" and "pg_restore" when empty.
	PGDump, PGRestore string
	// Trial restores the backup now and then; nil for never.
	Trial Trial
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Timeout of one request to a store, and Patience with a store that lags; defaults when zero.
	Timeout, Patience time.Duration
}

// target is one store and what has happened there.
type target struct {
	client *objectstore.Client
	prefix string
	// lock the copy is asked to be kept under; versionID of the copy as the store told it.
	lock      objectstore.Lock
	versionID string
	// err is why the store has no good copy, nil when it has one; ignored, that it has one without the lock it took.
	err, ignored error
	// held are the backups the store has whole, by snapshot start; for mend only.
	held map[time.Time]bool
	*StoreResult
}

// job is one run.
type job struct {
	Options
	result  *Result
	targets []*target
	// journalErr is why the erasure journal was not shipped.
	journalErr error
	// snapshot that is dumped while a restore is tried, and what became of that.
	snapshot string
	trialErr error
	// schemaVersion of what is dumped.
	schemaVersion int64
}

func newJob(options Options) *job {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Patience == 0 {
		options.Patience = defaultPatience
	}
	j := &job{Options: options, result: &Result{
		DataID: options.Settings.DataID, Stores: make([]StoreResult, len(options.Settings.Stores)),
	}}
	for i, store := range options.Settings.Stores {
		j.result.Stores[i].Name = store.Name
		t := &target{prefix: store.Prefix, StoreResult: &j.result.Stores[i]}
		t.client, t.err = j.Keys.Open(store, j.Settings.DataID, j.Timeout)
		j.targets = append(j.targets, t)
	}
	return j
}

// Run takes a backup to every store, reads it back, and repairs what is missing. The error is nil only when every store
// has its copy; the result tells the rest either way. It deletes nothing and needs no right to.
func Run(ctx context.Context, options Options) (Result, error) {
	j := newJob(options)
	backupErr := j.backup(ctx)
	backupErr = errors.Join(backupErr, j.journalErr, j.trialErr)
	if backupErr != nil {
		// Kubernetes keeps 4 KiB of the result.
		j.result.Error = backupErr.Error()[:min(len(backupErr.Error()), 1000)]
		backupErr = fmt.Errorf("backing up %s: %w", options.Settings.DataID, backupErr)
	}
	return *j.result, errors.Join(backupErr, j.copyErrors())
}

// backup takes the dump. Its error means that there is no backup at all; that a store lacks its copy is copyErrors.
func (j *job) backup(ctx context.Context) error {
	recipients, err := ParseRecipients(j.Settings.Recipients)
	if err != nil {
		return err
	}
	proof, err := newProof(j.PGRestore, recipients)
	if err != nil {
		return err
	}
	d, err := newDumper(ctx, j.PGDump, j.Scratch, j.Settings.Database, j.Credentials)
	if err != nil {
		return err
	}
	defer d.close()
	// Before pg_dump begins, so before its snapshot: the period ends rather early than late.
	start := j.Now().UTC().Truncate(time.Second)
	if err := j.askForLocks(ctx, start); err != nil {
		return err
	}
	// A journal that cannot be shipped is an error of the run, but no reason to have no backup.
	j.journalErr = j.shipJournal(ctx, d, recipients)
	defer j.endTrial(ctx)
	j.beginTrial(ctx)
	d.snapshot = j.snapshot
	taken, err := j.upload(ctx, d, append(recipients, proof.recipient), start)
	if err != nil {
		return err
	}
	j.result.SnapshotStart, j.result.Size, j.result.SHA256 = &start, taken.size, taken.sha256
	j.result.ServerVersion, j.result.ClientVersion, j.schemaVersion = d.serverVersion, d.clientVersion, d.schemaVersion
	j.result.Extensions, j.result.Owners = d.extensions, d.owners
	shown, err := j.verifyAll(ctx, proof)
	if err != nil {
		return err
	}
	j.repairAll(ctx)
	// Last of all: a run that is killed over its trial, or has no time left for it, has its backup.
	j.tryRestore(ctx, shown, proof)
	return nil
}

// digest is what every copy must be.
type digest struct {
	size   int64
	sha256 string
}

func (j *job) upload(ctx context.Context, d *dumper, recipients []age.Recipient, start time.Time) (digest, error) {
	var uploads []*objectstore.Upload
	var open []*target
	for _, t := range j.targets {
		if t.err != nil {
			continue
		}
		open = append(open, t)
		uploads = append(uploads, t.client.NewUpload(t.dumpKey(start), t.recordKey(start), t.lock))
	}
	if len(open) == 0 {
		return digest{}, errors.Join(errNoStore, j.copyErrors())
	}
	f := newFanout(ctx, uploads, j.Patience)
	if err := pipeline(ctx, d, recipients, f); err != nil {
		failures := f.abandon()
		if errors.Is(err, errNoStore) {
			err = errors.Join(append([]error{err}, failures...)...)
		}
		return digest{}, err
	}
	for i, err := range f.finish() {
		open[i].err, open[i].versionID = err, uploads[i].VersionID()
	}
	return digest{size: f.size, sha256: f.sha256()}, nil
}

// window of compression: a small one, and one block ahead, since the encoder's memory counts against our budget.
const window = 1 << 20

// pipeline dumps, compresses and encrypts into out. Its layers are closed only after pg_dump has ended well, and out
// is completed only after them.
func pipeline(ctx context.Context, d *dumper, recipients []age.Recipient, out io.Writer) error {
	encrypted, err := age.Encrypt(out, recipients...)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	compressed, err := zstd.NewWriter(encrypted, zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(window))
	if err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	if err := d.dump(ctx, compressed); err != nil {
		compressed.Reset(io.Discard)
		return errors.Join(err, compressed.Close())
	}
	if err := compressed.Close(); err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	if err := encrypted.Close(); err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	return nil
}

func (t *target) dumpKey(start time.Time) string {
	return objectstore.Key(t.prefix, start, objectstore.KindDump)
}

func (t *target) manifestKey(start time.Time) string {
	return objectstore.Key(t.prefix, start, objectstore.KindManifest)
}

func (t *target) recordKey(start time.Time) string {
	return objectstore.Key(t.prefix, start, objectstore.KindUpload)
}

// copyErrors is the error of every store that lacks its copy.
func (j *job) copyErrors() error {
	var failures []error
	for _, t := range j.targets {
		if t.err != nil {
			failures = append(failures, t.err)
			t.Error = objectstore.ClassOf(t.err)
			t.Copy = CopyMissing
		}
		failures = append(failures, t.ignored)
	}
	return errors.Join(failures...)
}

// each runs do for every target at once.
func (j *job) each(do func(*target)) {
	var group sync.WaitGroup
	for _, t := range j.targets {
		group.Go(func() { do(t) })
	}
	group.Wait()
}
