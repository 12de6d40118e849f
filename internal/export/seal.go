// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// seal compresses and encrypts what is written to it; Close ends both.
type seal struct {
	*zstd.Encoder
	encrypted io.WriteCloser
}

// Seal makes a writer that compresses and encrypts to out. Without technical help it is opened by
// `age -d -i KEY | zstd -d | tar x`.
func Seal(out io.Writer, recipients []age.Recipient) (io.WriteCloser, error) {
	encrypted, err := age.Encrypt(out, recipients...)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	compressed, err := zstd.NewWriter(encrypted, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return &seal{compressed, encrypted}, nil
}

func (s *seal) Close() error {
	if err := s.Encoder.Close(); err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	if err := s.encrypted.Close(); err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	return nil
}

var (
	ageMagic  = []byte("age-encryption.org/v1\n")
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// Open undoes Seal. What is not encrypted, or not compressed, is taken as it is, so that an export a person has opened
// can be read too. Close it when done.
func Open(in io.Reader, identities ...age.Identity) (io.ReadCloser, error) {
	content := bufio.NewReader(in)
	if head, _ := content.Peek(len(ageMagic)); bytes.Equal(head, ageMagic) {
		if len(identities) == 0 {
			return nil, errors.New("the export is encrypted: give the age identity of one of its recipients")
		}
		decrypted, err := age.Decrypt(content, identities...)
		if err != nil {
			return nil, fmt.Errorf("the export does not open with this identity: give that of one of its recipients: %w", err)
		}
		content = bufio.NewReader(decrypted)
	}
	if head, _ := content.Peek(len(zstdMagic)); !bytes.Equal(head, zstdMagic) {
		return io.NopCloser(content), nil
	}
	decompressed, err := zstd.NewReader(content, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	return decompressed.IOReadCloser(), nil
}
