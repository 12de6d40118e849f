// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/termintreu/termintreu/internal/backup"
)

const (
	challengeFormat = "termintreu restore challenge 1"
	// challengeLimit is how many bytes a challenge or an answer may have, mostHeaders how many files one is for.
	challengeLimit = 256 << 10
	mostHeaders    = 64
	// fileKeySize is that of age.
	fileKeySize = 16
	pollAnswer  = time.Second
)

// challenge asks the holder of the recovery key for the file keys of a few age headers, and for nothing else: the key
// itself never comes near the cluster.
type challenge struct {
	Format string `json:"format"`
	// Recipient is the one-time key the answer is encrypted to; its secret half exists in the job's memory alone.
	Recipient string   `json:"recipient"`
	Headers   [][]byte `json:"headers"`
}

// Challenge opens a backup by asking the holder of the key, who needs no connection to the cluster.
type Challenge struct{}

// Open publishes a challenge in the letter box and waits for its answer. One that does not fit is told and waited on
// again: a wrong file must not end a restore.
func (Challenge) Open(ctx context.Context, headers [][]byte, box *Box) ([]age.Identity, error) {
	// Resists quantum computers, whatever the backup's recipients do: the answer travels through the cluster.
	once, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("making a one-time key: %w", err)
	}
	raw, err := json.Marshal(challenge{challengeFormat, once.Recipient().String(), headers})
	if err != nil {
		return nil, fmt.Errorf("writing the challenge: %w", err)
	}
	if err := box.ask(ctx, base64.StdEncoding.EncodeToString(raw)); err != nil {
		return nil, err
	}
	for {
		answer, err := box.answer(ctx)
		if err != nil {
			return nil, err
		}
		if answer != "" {
			opened, err := readAnswer(answer, once, len(headers))
			if err == nil {
				return opened, box.answered(ctx)
			}
			if err := box.refuse(ctx, err.Error()); err != nil {
				return nil, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("nobody answered the challenge in time: %w", ctx.Err())
		case <-time.After(pollAnswer):
		}
	}
}

// Answer gives the answer to a challenge, by secret keys at hand. It runs where the keys are, without any connection.
func Answer(text string, identities []age.Identity) (string, error) {
	c, err := parseChallenge(text)
	if err != nil {
		return "", err
	}
	recipient, err := age.ParseHybridRecipient(c.Recipient)
	if err != nil {
		return "", errors.New("the challenge names no one-time recipient: copy it whole, from status.challenge of the TenantRestore, or status.import.challenge of the BookingTenant")
	}
	var keys []byte
	for _, header := range c.Headers {
		key, err := FileKey(header, identities)
		if err != nil {
			return "", err
		}
		keys = append(keys, key...)
	}
	sealed, err := backup.Encrypt(bytes.NewReader(keys), recipient)
	if err != nil {
		return "", fmt.Errorf("encrypting the answer: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

func parseChallenge(text string) (*challenge, error) {
	broken := errors.New("this is no challenge of ours: copy it whole, from status.challenge of the TenantRestore, or status.import.challenge of the BookingTenant")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) > challengeLimit {
		return nil, broken
	}
	var c challenge
	if err := json.Unmarshal(raw, &c); err != nil || c.Format != challengeFormat || len(c.Headers) == 0 || len(c.Headers) > mostHeaders {
		return nil, broken
	}
	return &c, nil
}

func readAnswer(text string, once age.Identity, files int) ([]age.Identity, error) {
	broken := errors.New("the answer does not fit the challenge: answer the one status.challenge shows now, and copy the answer whole")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) > challengeLimit {
		return nil, broken
	}
	opened, err := age.Decrypt(bytes.NewReader(raw), once)
	if err != nil {
		return nil, broken
	}
	keys, err := io.ReadAll(io.LimitReader(opened, mostHeaders*fileKeySize+1))
	if err != nil || len(keys) != files*fileKeySize {
		return nil, broken
	}
	identities := make([]age.Identity, 0, files)
	for i := range files {
		identities = append(identities, age.NewInjectedFileKeyIdentity(keys[i*fileKeySize:(i+1)*fileKeySize]))
	}
	return identities, nil
}

func (b *Box) ask(ctx context.Context, challenge string) error {
	return b.write(ctx, "step = $1, challenge = $2, answer = NULL, failure = NULL", StepWaiting, challenge)
}

func (b *Box) answer(ctx context.Context) (answer string, err error) {
	if err := b.conn.QueryRow(ctx, "SELECT coalesce(answer, '') FROM restore_state").Scan(&answer); err != nil {
		return "", fmt.Errorf("reading the letter box: %w", scrub(err))
	}
	return answer, nil
}

func (b *Box) answered(ctx context.Context) error {
	return b.write(ctx, "challenge = NULL, answer = NULL, failure = NULL")
}

func (b *Box) refuse(ctx context.Context, why string) error {
	return b.write(ctx, "refused = answer, answer = NULL, failure = $1", why)
}
