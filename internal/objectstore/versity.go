// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// versityIdentities makes accounts by the gateway's admin API and binds them by bucket policy.
type versityIdentities struct {
	client *Client
	policy *policyWriter
}

// versityAccount is the document of the admin API; its field names are the gateway's.
type versityAccount struct {
	XMLName xml.Name `xml:"Account"`
	Access  string
	Secret  string
	Role    string
}

type versityChange struct {
	XMLName xml.Name `xml:"MutableProps"`
	Secret  string
}

// roleUser may do only what a policy allows.
const roleUser = "user"

var errAccountExists = errors.New("the account exists")

func (v *versityIdentities) Ensure(ctx context.Context, dataID string, pair Pair) error {
	if !dataIDPattern.MatchString(dataID) {
		return fmt.Errorf("store %s: %q is no data id", v.client.Name(), dataID)
	}
	if pair.Writer.AccessKeyID == pair.Keeper.AccessKeyID {
		return fmt.Errorf("store %s: writer and keeper of %s must not be one identity", v.client.Name(), dataID)
	}
	for _, keys := range []Keys{pair.Writer, pair.Keeper} {
		if keys.AccessKeyID == "" || keys.SecretAccessKey == "" || keys.AccessKeyID == v.client.config.AccessKeyID {
			return fmt.Errorf("store %s: an identity of %s needs an access key id and a secret of its own", v.client.Name(), dataID)
		}
		if err := v.account(ctx, keys); err != nil {
			return v.client.wrap("making the identity "+keys.AccessKeyID, err)
		}
	}
	if err := v.bind(ctx, policyEdit{dataID, pair.Writer.AccessKeyID, pair.Keeper.AccessKeyID}); err != nil {
		return fmt.Errorf("binding the identities of %s to its prefix: %w", dataID, err)
	}
	return nil
}

func (v *versityIdentities) account(ctx context.Context, keys Keys) error {
	err := v.admin(ctx, "/create-user", nil, versityAccount{Access: keys.AccessKeyID, Secret: keys.SecretAccessKey, Role: roleUser})
	if errors.Is(err, errAccountExists) {
		return v.admin(ctx, "/update-user", url.Values{"access": {keys.AccessKeyID}}, versityChange{Secret: keys.SecretAccessKey})
	}
	return err
}

// bind edits the policy. The gateway refuses a policy that names any account it does not know, so accounts that were
// removed behind our back would block every later tenant: their statements, which let nobody in, are dropped.
func (v *versityIdentities) bind(ctx context.Context, edit policyEdit) error {
	err := v.policy.apply(ctx, edit)
	if err == nil || ClassOf(err) != ClassStoreFailed {
		return err
	}
	dropped, dropErr := v.dropUnknown(ctx)
	if dropErr != nil || dropped == 0 {
		return errors.Join(err, dropErr)
	}
	return v.policy.apply(ctx, edit)
}

func (v *versityIdentities) dropUnknown(ctx context.Context) (int, error) {
	known, err := v.accounts(ctx)
	if err != nil {
		return 0, err
	}
	v.policy.writing.Lock()
	defer v.policy.writing.Unlock()
	document, err := v.policy.read(ctx)
	if err != nil {
		return 0, err
	}
	dropped := 0
	for dataID, statements := range document.tenants() {
		if slices.ContainsFunc(admitted(statements), func(accessKeyID string) bool { return !known[accessKeyID] }) {
			document.set(v.client.config.Bucket, policyEdit{dataID: dataID})
			dropped++
		}
	}
	if dropped == 0 {
		return 0, nil
	}
	return dropped, v.policy.put(ctx, document)
}

// Bound reads accounts and policy once for all tenants.
func (v *versityIdentities) Bound(ctx context.Context) (map[string]bool, error) {
	known, err := v.accounts(ctx)
	if err != nil {
		return nil, err
	}
	document, err := v.policy.read(ctx)
	if err != nil {
		return nil, err
	}
	bound := map[string]bool{}
	for dataID, statements := range document.tenants() {
		pair := admitted(statements)
		bound[dataID] = len(pair) == 2 && known[pair[0]] && known[pair[1]] &&
			slices.EqualFunc(statements, policyEdit{dataID, pair[0], pair[1]}.statements(v.client.config.Bucket), sameStatement)
	}
	return bound, nil
}

// Remove deletes the accounts before their statements: cut off at once, and the statements still name them to a retry.
func (v *versityIdentities) Remove(ctx context.Context, dataID string) error {
	document, err := v.policy.read(ctx)
	if err != nil {
		return err
	}
	statements, found := document.tenants()[dataID]
	if !found {
		return nil
	}
	known, err := v.accounts(ctx)
	if err != nil {
		return err
	}
	for _, accessKeyID := range admitted(statements) {
		if !known[accessKeyID] {
			continue
		}
		if err := v.admin(ctx, "/delete-user", url.Values{"access": {accessKeyID}}, nil); err != nil {
			return v.client.wrap("removing the identity "+accessKeyID, err)
		}
	}
	if err := v.bind(ctx, policyEdit{dataID: dataID}); err != nil {
		return fmt.Errorf("removing the policy of %s: %w", dataID, err)
	}
	return nil
}

func (v *versityIdentities) accounts(ctx context.Context) (map[string]bool, error) {
	raw, err := v.call(ctx, "/list-users", nil, nil)
	if err != nil {
		return nil, v.client.wrap("listing identities", err)
	}
	var list struct {
		Accounts []struct{ Access string } `xml:"Accounts"`
	}
	if err := xml.Unmarshal(raw, &list); err != nil {
		return nil, v.client.wrap("listing identities", err)
	}
	known := make(map[string]bool, len(list.Accounts))
	for _, account := range list.Accounts {
		known[account.Access] = true
	}
	return known, nil
}

func (v *versityIdentities) admin(ctx context.Context, path string, query url.Values, document any) error {
	var content []byte
	if document != nil {
		var err error
		if content, err = xml.Marshal(document); err != nil {
			return err
		}
	}
	_, err := v.call(ctx, path, query, content)
	return err
}

// call makes one request of the admin API: PATCH, signed like a request to S3. Secrets travel in the body only, where
// no access log sees them.
func (v *versityIdentities) call(ctx context.Context, path string, query url.Values, content []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, v.client.config.Timeout)
	defer cancel()
	target := v.client.config.Endpoint + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, target, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	request.Header.Set("X-Amz-Content-Sha256", digest)
	credentials := aws.Credentials{AccessKeyID: v.client.config.AccessKeyID, SecretAccessKey: v.client.config.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, digest, "s3", v.client.config.SigningRegion, time.Now()); err != nil {
		return nil, err
	}
	response, err := v.client.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	return answer, v.refusal(response.StatusCode, answer)
}

func (v *versityIdentities) refusal(status int, answer []byte) error {
	if status < http.StatusBadRequest {
		return nil
	}
	var refused struct{ Code string }
	_ = xml.Unmarshal(answer, &refused)
	if refused.Code == "XAdminUserExists" {
		return errAccountExists
	}
	return &Error{
		Store: v.client.Name(), Class: classifyStatus(status), action: "calling the admin API",
		cause: fmt.Errorf("status %d %s", status, refused.Code),
	}
}
