// SPDX-License-Identifier: Apache-2.0

package export

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"slices"
	"strings"
)

const (
	// maxDocument and maxFile bound what is taken into memory of a file somebody else wrote.
	maxDocument = 8 << 20
	maxFile     = 256 << 20
)

var dataFile = regexp.MustCompile(`^data/([a-z][a-z0-9_]{0,62})\.([0-9]{4,9})\.jsonl$`)

// Visitor is told what an export holds, in the order it lies there. An error of its own ends the reading and is given
// back as it is.
type Visitor struct {
	// Head comes first.
	Head func(*Head) error
	// Catalogue comes before the records, if the export has one.
	Catalogue func(*Catalogue) error
	// Records gives the next records of an entity, one line each without its line end; they are not kept after the call.
	Records func(entity Entity, lines [][]byte) error
}

// Read reads an export and holds every file against the manifest, which comes last: what the visitor was given counts
// only once Read has returned nil. Errors say what is wrong, and quote no record.
func Read(in io.Reader, visitor Visitor) (*Manifest, error) {
	r := &reader{tar: tar.NewReader(in), visitor: visitor, sums: map[string]hash.Hash{}, counts: map[string]int64{}, numbers: map[string]string{}}
	for {
		header, err := r.tar.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the export has no manifest.json at its end: it was cut off, fetch it again")
		}
		if err != nil {
			return nil, fmt.Errorf("this is no tar of an export, or it was damaged: %w", err)
		}
		content, err := r.content(header)
		if err != nil {
			return nil, err
		}
		if header.Name == ManifestFile {
			return r.finish(content)
		}
		if err := r.file(header.Name, content); err != nil {
			return nil, err
		}
	}
}

type reader struct {
	tar     *tar.Reader
	visitor Visitor
	head    *Head
	files   []File
	sums    map[string]hash.Hash
	counts  map[string]int64
	numbers map[string]string
}

func (r *reader) content(header *tar.Header) ([]byte, error) {
	limit := int64(maxDocument)
	if strings.HasPrefix(header.Name, dataDir) || strings.HasPrefix(header.Name, officeDir) || header.Name == ManifestFile {
		limit = maxFile
	}
	// Records of PAX can make a few bytes of input a file of any size (sparse files).
	if header.Typeflag != tar.TypeReg || header.Size > limit || len(header.PAXRecords) > 0 {
		return nil, errors.New("the export holds something that is no plain file, or one too large: it was not written by termintreu export")
	}
	var buffer bytes.Buffer
	if _, err := io.Copy(&buffer, io.LimitReader(r.tar, limit)); err != nil {
		return nil, fmt.Errorf("the export was cut off: %w", err)
	}
	return buffer.Bytes(), nil
}

func (r *reader) file(name string, content []byte) error {
	sum := sha256.Sum256(content)
	r.files = append(r.files, File{name, int64(len(content)), hex.EncodeToString(sum[:])})
	switch {
	case r.head == nil:
		return r.readHead(name, content)
	case name == CatalogueFile:
		var catalogue Catalogue
		if json.Unmarshal(content, &catalogue) != nil {
			return errors.New("catalogue.json of the export cannot be read")
		}
		if r.visitor.Catalogue != nil {
			return r.visitor.Catalogue(&catalogue)
		}
	case strings.HasPrefix(name, dataDir):
		return r.records(name, content)
	}
	return nil
}

func (r *reader) readHead(name string, content []byte) error {
	head := &Head{}
	if name != FormatFile || json.Unmarshal(content, head) != nil {
		return errors.New("the export does not begin with format.json: it was not written by termintreu export")
	}
	if head.Format != Format {
		return fmt.Errorf("the export has format %.40q, and this release reads %s: use the release that wrote it, or a later one", head.Format, Format)
	}
	for i, e := range head.Entities {
		if !slices.IsSorted(e.Columns) || len(slices.Compact(slices.Clone(e.Columns))) != len(e.Columns) ||
			slices.ContainsFunc(head.Entities[:i], func(o Entity) bool { return o.Name == e.Name }) {
			return errors.New("format.json of the export names an entity or a column twice, or out of order")
		}
	}
	r.head = head
	if r.visitor.Head != nil {
		return r.visitor.Head(head)
	}
	return nil
}

func (r *reader) records(name string, content []byte) error {
	match := dataFile.FindStringSubmatch(name)
	if match == nil {
		return errors.New("the export holds a file under data/ whose name is none of an entity")
	}
	entity, number := match[1], match[2]
	at := slices.IndexFunc(r.head.Entities, func(e Entity) bool { return e.Name == entity })
	if at < 0 {
		return fmt.Errorf("the export holds records of %s, which its format.json does not name", entity)
	}
	if number <= r.numbers[entity] && len(number) <= len(r.numbers[entity]) {
		return fmt.Errorf("the files of %s do not come in the order of their numbers", entity)
	}
	r.numbers[entity] = number
	if r.sums[entity] == nil {
		r.sums[entity] = sha256.New()
	}
	r.sums[entity].Write(content)
	if !bytes.HasSuffix(content, []byte("\n")) {
		return fmt.Errorf("%s does not end with a whole line", name)
	}
	lines := bytes.Split(content[:len(content)-1], []byte("\n"))
	r.counts[entity] += int64(len(lines))
	if r.visitor.Records != nil {
		return r.visitor.Records(r.head.Entities[at], lines)
	}
	return nil
}

// finish holds what was read against the manifest.
func (r *reader) finish(content []byte) (*Manifest, error) {
	m := &Manifest{}
	if r.head == nil || json.Unmarshal(content, m) != nil || m.Format != Format {
		return nil, errors.New("manifest.json of the export cannot be read")
	}
	if !slices.Equal(m.Files, r.files) {
		return nil, errors.New("the files of the export are not those its manifest names: it was changed or damaged")
	}
	if len(m.Records) != len(r.head.Entities) {
		return nil, errors.New("the manifest and format.json of the export name different entities")
	}
	for i, e := range r.head.Entities {
		sum := r.sums[e.Name]
		if sum == nil {
			sum = sha256.New()
		}
		if want := (Records{e.Name, r.counts[e.Name], hex.EncodeToString(sum.Sum(nil))}); m.Records[i] != want {
			return nil, fmt.Errorf("the records of %s are not those the manifest names: the export was changed or damaged", e.Name)
		}
	}
	if _, err := r.tar.Next(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the manifest of the export: it was changed")
	}
	return m, nil
}
