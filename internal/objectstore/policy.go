// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

const (
	policyVersion = "2012-10-17"
	// Statements of ours carry these ids, so that those of others in the same policy are left alone.
	sidObjects = "TermintreuObjects/"
	sidDelete  = "TermintreuDelete/"
	sidList    = "TermintreuList/"
)

// policyDocument is a bucket policy; statements stay raw, so that nothing of others' is lost by reading and writing.
type policyDocument struct {
	Version   string
	Statement []rawStatement
}

// read takes one statement after the other: the policy of a thousand tenants is megabytes.
func (d *policyDocument) read(text io.Reader) error {
	decoder := json.NewDecoder(text)
	if err := begin(decoder, '{'); err != nil {
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		switch name {
		case "Version":
			err = decoder.Decode(&d.Version)
		case "Statement":
			err = d.readStatements(decoder)
		default:
			err = decoder.Decode(&json.RawMessage{})
		}
		if err != nil {
			return err
		}
	}
	_, err := decoder.Token()
	return err
}

func (d *policyDocument) readStatements(decoder *json.Decoder) error {
	if err := begin(decoder, '['); err != nil {
		return err
	}
	for decoder.More() {
		statement := rawStatement{}
		if err := decoder.Decode(&statement); err != nil {
			return err
		}
		d.Statement = append(d.Statement, statement)
	}
	_, err := decoder.Token()
	return err
}

func begin(decoder *json.Decoder, want json.Delim) error {
	token, err := decoder.Token()
	if err == nil && token != want {
		err = fmt.Errorf("want %s, not %v", want, token)
	}
	return err
}

// text is what read reads.
func (d *policyDocument) text() string {
	version, _ := json.Marshal(d.Version) // a string: it cannot fail
	size := len(version) + 32
	for _, s := range d.Statement {
		size += len(s.raw) + 1
	}
	out := strings.Builder{}
	out.Grow(size)
	out.WriteString(`{"Version":`)
	out.Write(version)
	out.WriteString(`,"Statement":[`)
	for i, s := range d.Statement {
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(s.raw)
	}
	out.WriteString("]}")
	return out.String()
}

// rawStatement knows whose it is, which is read once: a policy holds statements of every tenant of the bucket.
type rawStatement struct {
	// sid is empty where the statement cannot be read; dataID where it is not one of ours.
	sid, dataID string
	raw         json.RawMessage
}

func (s *rawStatement) UnmarshalJSON(raw []byte) error {
	var head struct{ Sid string }
	// A statement that cannot be read is somebody else's, and stays as it is.
	_ = json.Unmarshal(raw, &head)
	*s = newRawStatement(head.Sid, bytes.Clone(raw))
	return nil
}

func newRawStatement(sid string, raw json.RawMessage) rawStatement {
	s := rawStatement{sid: sid, raw: raw}
	if kind, dataID, found := strings.Cut(sid, "/"); found && ours[kind+"/"] {
		s.dataID = dataID
	}
	return s
}

type policyStatement struct {
	Sid       string         `json:"Sid"`
	Effect    string         `json:"Effect"`
	Principal map[string]any `json:"Principal"`
	Action    []string       `json:"Action"`
	Resource  []string       `json:"Resource"`
	Condition map[string]any `json:"Condition,omitempty"`
}

// tenantStatements let a pair reach one prefix. There is no s3:DeleteObject, which only hides, and no listing of
// unfinished uploads, which cannot be bound to a prefix. Whether the bucket locks objects is no secret, and must be
// known before a lock is asked for.
func tenantStatements(bucket, dataID, writer, keeper string) []policyStatement {
	bucketARN := "arn:aws:s3:::" + bucket
	objects := bucketARN + "/" + dataID + "/*"
	allow := func(sid string, who, actions []string, resources ...string) policyStatement {
		return policyStatement{
			Sid: sid + dataID, Effect: "Allow", Principal: map[string]any{"AWS": who}, Action: actions, Resource: resources,
		}
	}
	list := allow(sidList, []string{keeper}, []string{"s3:ListBucket", "s3:ListBucketVersions"}, bucketARN)
	list.Condition = map[string]any{"StringLike": map[string]any{"s3:prefix": []string{dataID + "/*"}}}
	return []policyStatement{
		allow(sidObjects, []string{writer, keeper}, []string{
			"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention", "s3:PutObject", "s3:PutObjectRetention",
			"s3:AbortMultipartUpload", "s3:GetBucketObjectLockConfiguration",
		}, bucketARN, objects),
		allow(sidDelete, []string{keeper}, []string{"s3:DeleteObjectVersion"}, objects),
		list,
	}
}

// policyEdit sets the access key ids of a tenant's pair; empty ones remove its statements.
type policyEdit struct {
	dataID, writer, keeper string
}

// policyWriter is the single writer of a bucket's policy. A bucket has one policy for all tenants, so edits that arrive
// while one is being written go out together with the next: a thousand tenants cost a few writes, not a thousand.
type policyWriter struct {
	client *Client
	// writing is shared by all writers of the bucket in this process: a client made anew after a failure may meet an
	// older one at work.
	writing *sync.Mutex
	mu      sync.Mutex
	pending []*pendingEdit
}

// policyLocks holds a *sync.Mutex per bucket.
var policyLocks sync.Map

func newPolicyWriter(client *Client) *policyWriter {
	lock, _ := policyLocks.LoadOrStore(client.config.Endpoint+"/"+client.config.Bucket, &sync.Mutex{})
	return &policyWriter{client: client, writing: lock.(*sync.Mutex)} //nolint:forcetypeassert // nothing else is stored
}

type pendingEdit struct {
	policyEdit
	done bool
	err  error
}

// apply returns when the store has shown the edit.
func (w *policyWriter) apply(ctx context.Context, edit policyEdit) error {
	mine := &pendingEdit{policyEdit: edit}
	w.mu.Lock()
	w.pending = append(w.pending, mine)
	w.mu.Unlock()

	w.writing.Lock()
	defer w.writing.Unlock()
	if mine.done {
		return mine.err
	}
	w.mu.Lock()
	batch := w.pending
	w.pending = nil
	w.mu.Unlock()
	// The batch belongs to others too: one caller that goes away must not fail them.
	err := w.write(context.WithoutCancel(ctx), batch)
	for _, edit := range batch {
		edit.done, edit.err = true, err
	}
	return err
}

func (w *policyWriter) write(ctx context.Context, batch []*pendingEdit) error {
	document, err := w.read(ctx)
	if err != nil {
		return err
	}
	changed := false
	for _, edit := range batch {
		if document.set(w.client.config.Bucket, edit.policyEdit) {
			changed = true
		}
	}
	if !changed {
		return nil
	}
	if err := w.put(ctx, document); err != nil {
		return err
	}
	stored, err := w.read(ctx)
	if err != nil {
		return err
	}
	for _, edit := range batch {
		if stored.set(w.client.config.Bucket, edit.policyEdit) {
			return w.client.wrap("changing the bucket policy", errors.New("the store accepted the policy and shows another"))
		}
	}
	return nil
}

func (w *policyWriter) read(ctx context.Context) (*policyDocument, error) {
	ctx, cancel := context.WithTimeout(ctx, w.client.config.Timeout)
	defer cancel()
	output, err := w.client.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &w.client.config.Bucket})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "NoSuchBucketPolicy" {
		return &policyDocument{Version: policyVersion}, nil
	}
	if err != nil {
		return nil, w.client.wrap("reading the bucket policy", err)
	}
	document := &policyDocument{}
	if err := document.read(strings.NewReader(aws.ToString(output.Policy))); err != nil {
		return nil, w.client.wrap("reading the bucket policy", err)
	}
	return document, nil
}

func (w *policyWriter) put(ctx context.Context, document *policyDocument) error {
	ctx, cancel := context.WithTimeout(ctx, w.client.config.Timeout)
	defer cancel()
	if len(document.Statement) == 0 {
		_, err := w.client.s3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &w.client.config.Bucket})
		return w.client.wrap("deleting the empty bucket policy", err)
	}
	_, err := w.client.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{
		Bucket: &w.client.config.Bucket, Policy: aws.String(document.text()),
	})
	return w.client.wrap("changing the bucket policy", err)
}

// set makes the document say what the edit asks, and tells whether it said otherwise.
func (d *policyDocument) set(bucket string, edit policyEdit) (changed bool) {
	theirs := func(s rawStatement) bool { return s.dataID == edit.dataID }
	var present []rawStatement
	for _, s := range d.Statement {
		if theirs(s) {
			present = append(present, s)
		}
	}
	wanted := edit.statements(bucket)
	if slices.EqualFunc(present, wanted, sameStatement) {
		return false
	}
	d.Statement = append(slices.DeleteFunc(d.Statement, theirs), wanted...)
	return true
}

// statements are what a policy must say of the tenant after the edit.
func (e policyEdit) statements(bucket string) (wanted []rawStatement) {
	if e.writer == "" {
		return nil
	}
	for _, statement := range tenantStatements(bucket, e.dataID, e.writer, e.keeper) {
		raw, _ := json.Marshal(statement) // strings only: it cannot fail
		wanted = append(wanted, newRawStatement(statement.Sid, raw))
	}
	return wanted
}

// ours are the kinds of our statements.
var ours = map[string]bool{sidObjects: true, sidDelete: true, sidList: true}

// tenants gives our statements by data id.
func (d *policyDocument) tenants() map[string][]rawStatement {
	found := map[string][]rawStatement{}
	for _, s := range d.Statement {
		if s.dataID != "" {
			found[s.dataID] = append(found[s.dataID], s)
		}
	}
	return found
}

// admitted gives the access key ids a tenant's statements let at its prefix: writer and keeper, or one alone where an
// earlier release wrote the policy.
func admitted(statements []rawStatement) []string {
	for _, s := range statements {
		var statement struct{ Principal struct{ AWS []string } }
		if strings.HasPrefix(s.sid, sidObjects) && json.Unmarshal(s.raw, &statement) == nil {
			return statement.Principal.AWS
		}
	}
	return nil
}

func sameStatement(a, b rawStatement) bool {
	if bytes.Equal(a.raw, b.raw) {
		return true
	}
	var left, right any
	if json.Unmarshal(a.raw, &left) != nil || json.Unmarshal(b.raw, &right) != nil {
		return bytes.Equal(a.raw, b.raw)
	}
	leftRaw, _ := json.Marshal(left)
	rightRaw, _ := json.Marshal(right)
	return bytes.Equal(leftRaw, rightRaw)
}
