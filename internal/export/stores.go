// SPDX-License-Identifier: Apache-2.0

package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/settings"
)

// Options of a run to the stores.
type Options struct {
	Settings settings.Export
	// Connect opens a session of the backup role.
	Connect func(context.Context) (*pgx.Conn, error)
	Keys    backup.StoreKeys
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Delivered describes the exports of one run. It lies beside them at each store, and is printed as JSON; it holds opaque
// names, sizes, counts, times and digests alone.
type Delivered struct {
	Format        string    `json:"format"`
	DataID        string    `json:"dataID"`
	Start         time.Time `json:"start"`
	SchemaVersion int64     `json:"schemaVersion"`
	// Records by entity; no digests of them, since a digest of little is the little itself.
	Records map[string]int64 `json:"records"`
	Objects []Object         `json:"objects"`
}

// Object is one export at a store: the same bytes at each.
type Object struct {
	Key string `json:"key"`
	// Size in bytes and SHA-256 (hex) of the encrypted file.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Controller by its number among spec.controllers, counted from 1; 0 for the export of everything.
	Controller int `json:"controller,omitempty"`
}

// Deliver writes the export of everything, and where there are several controllers one for each, to every store, and
// reads each back. The error is nil only when every store has every copy; Delivered is nil when no store has.
func Deliver(ctx context.Context, o Options) (*Delivered, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	recipients, err := backup.ParseRecipients(o.Settings.Recipients)
	if err != nil {
		return nil, err
	}
	clients, failures := o.open()
	conn, err := o.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	d := &Delivered{Format: Format, DataID: o.Settings.DataID, Start: o.Now().UTC().Truncate(time.Second), Records: map[string]int64{}}
	catalogue := &Catalogue{Controllers: o.Settings.Controllers, Catalogue: o.Settings.Catalogue}
	scopes := []Scope{{Catalogue: catalogue}}
	if len(o.Settings.Controllers) > 1 {
		for i := range o.Settings.Controllers {
			scopes = append(scopes, catalogue.Of(o.Settings.Controllers[i].Name))
		}
	}
	for n, scope := range scopes {
		object := Object{Key: objectstore.Key(o.Settings.DataID+"/", d.Start, objectstore.KindExport), Controller: n}
		if n > 0 {
			object.Key = objectstore.Key(o.Settings.DataID+"/", d.Start, objectstore.KindExportOf(n))
		}
		r := &run{conn: conn, scope: scope, recipients: recipients, object: object}
		clients, err = r.deliver(ctx, clients)
		failures = append(failures, err)
		if len(clients) == 0 {
			return nil, fmt.Errorf("exporting %s: no store has the export: %w", o.Settings.DataID, errors.Join(failures...))
		}
		d.Objects = append(d.Objects, r.object)
		if n == 0 {
			d.SchemaVersion = r.manifest.SchemaVersion
			for _, records := range r.manifest.Records {
				d.Records[records.Entity] = records.Count
			}
		}
	}
	return d, errors.Join(append(failures, d.describe(ctx, clients))...)
}

func (o *Options) open() (clients []*objectstore.Client, failures []error) {
	for _, store := range o.Settings.Stores {
		client, err := o.Keys.Open(store, o.Settings.DataID, 0)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		clients = append(clients, client)
	}
	return clients, failures
}

// run is one export on its way to the stores.
type run struct {
	conn       *pgx.Conn
	scope      Scope
	recipients []age.Recipient
	object     Object
	manifest   *Manifest
}

// deliver writes to the first store that takes it and copies from there: encrypted once, the bytes are the same
// everywhere. It gives the stores that have a verified copy.
func (r *run) deliver(ctx context.Context, clients []*objectstore.Client) (good []*objectstore.Client, err error) {
	var failures []error
	for _, client := range clients {
		var err error
		if len(good) == 0 {
			err = r.write(ctx, client)
		} else {
			err = r.copy(ctx, good[0], client)
		}
		if err != nil {
			failures = append(failures, err)
			continue
		}
		good = append(good, client)
	}
	return good, errors.Join(failures...)
}

func (r *run) write(ctx context.Context, client *objectstore.Client) error {
	reader, writer := io.Pipe()
	sum := sha256.New()
	size := &counter{}
	done := make(chan error, 1)
	go func() {
		err := r.produce(ctx, io.MultiWriter(writer, sum, size))
		_ = writer.CloseWithError(err) // nil ends the stream
		done <- err
	}()
	err := client.Put(ctx, r.object.Key, "", reader)
	_ = reader.CloseWithError(errors.New("the store took no more"))
	produced := <-done
	if err != nil {
		return err
	}
	if produced != nil {
		return produced
	}
	r.object.Size, r.object.SHA256 = size.n, hex.EncodeToString(sum.Sum(nil))
	return r.verify(ctx, client)
}

func (r *run) produce(ctx context.Context, out io.Writer) error {
	sealed, err := Seal(out, r.recipients)
	if err != nil {
		return err
	}
	if r.manifest, err = Write(ctx, r.conn, sealed, r.scope); err != nil {
		return err
	}
	return sealed.Close()
}

func (r *run) copy(ctx context.Context, from, to *objectstore.Client) error {
	content, err := from.Get(ctx, r.object.Key)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	if err := to.Put(ctx, r.object.Key, "", content); err != nil {
		return err
	}
	return r.verify(ctx, to)
}

// verify reads the copy back: a store's success is no evidence (invariant 7).
func (r *run) verify(ctx context.Context, client *objectstore.Client) error {
	content, err := client.Get(ctx, r.object.Key)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	sum := sha256.New()
	size, err := io.Copy(sum, content)
	if err != nil {
		return err
	}
	if size != r.object.Size || hex.EncodeToString(sum.Sum(nil)) != r.object.SHA256 {
		return objectstore.Corrupt(client.Name(), r.object.Key)
	}
	return nil
}

func (d *Delivered) describe(ctx context.Context, clients []*objectstore.Client) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("describing the export: %w", err)
	}
	var failures []error
	for _, client := range clients {
		failures = append(failures, client.PutBytes(ctx, objectstore.Key(d.DataID+"/", d.Start, objectstore.KindExportManifest), raw))
	}
	return errors.Join(failures...)
}

// FindDelivered gives the newest description of an export a store holds of a tenant; nil when it holds none.
func FindDelivered(ctx context.Context, client *objectstore.Client, dataID string) (*Delivered, error) {
	var newest string
	err := client.ListVersions(ctx, dataID+"/", func(v objectstore.Version) error {
		if _, _, kind, ok := objectstore.ParseKey(v.Key); ok && kind == objectstore.KindExportManifest && v.Latest && !v.DeleteMarker {
			newest = max(newest, v.Key)
		}
		return nil
	})
	if err != nil || newest == "" {
		return nil, err
	}
	content, err := client.Get(ctx, newest)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	d := &Delivered{}
	if err := json.NewDecoder(io.LimitReader(content, 1<<20)).Decode(d); err != nil || d.DataID != dataID {
		return nil, objectstore.Corrupt(client.Name(), newest)
	}
	return d, nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
