// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// script reads what pg_restore --data-only prints and gives its data. Everything else in it is dropped: nothing of a
// backup is ever executed.
type script struct {
	in *bufio.Reader
	// data is the open block of rows; nil between blocks.
	data *rows
}

// block is one table's data, or one sequence's value.
type block struct {
	// Table and Columns of a COPY, unquoted; its rows are read from script.data.
	Table   string
	Columns []string
	// Sequence, Value and Called of a setval.
	Sequence string
	Value    int64
	Called   bool
}

const (
	bufferSize = 256 << 10
	// longestStatement bounds a line that is no data.
	longestStatement = 64 << 10
)

var (
	name       = `(?:[a-z_][a-z0-9_$]*|"[a-z_][a-z0-9_$]*")`
	copyLine   = regexp.MustCompile(`^COPY ` + name + `\.(` + name + `) \((` + name + `(?:, ` + name + `)*)\) FROM stdin;$`)
	setvalLine = regexp.MustCompile(`^SELECT pg_catalog\.setval\('` + name + `\.(` + name + `)', (\d{1,18}), (true|false)\);$`)
)

var errEnded = errors.New("the data ends in the middle: the backup is not whole")

func newScript(in io.Reader) *script { return &script{in: bufio.NewReaderSize(in, bufferSize)} }

// next gives the next block, io.EOF at the end. The rows of the block before must have been read to their end.
func (s *script) next() (*block, error) {
	if s.data != nil && !s.data.done {
		return nil, errors.New("the rows before were not read")
	}
	s.data = nil
	for {
		line, err := s.line()
		if err != nil {
			return nil, err
		}
		if found := copyLine.FindStringSubmatch(line); found != nil {
			s.data = &rows{in: s.in, start: true}
			columns := strings.Split(found[2], ", ")
			for i := range columns {
				columns[i] = strings.Trim(columns[i], `"`)
			}
			return &block{Table: strings.Trim(found[1], `"`), Columns: columns}, nil
		}
		if found := setvalLine.FindStringSubmatch(line); found != nil {
			value, err := strconv.ParseInt(found[2], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("a sequence has no value: %w", err)
			}
			return &block{Sequence: strings.Trim(found[1], `"`), Value: value, Called: found[3] == "true"}, nil
		}
		if strings.HasPrefix(line, "COPY ") {
			return nil, errors.New("the backup holds a table whose name or columns are none of ours")
		}
	}
}

// line without its end; one that is cut off or endless is no script.
func (s *script) line() (string, error) {
	var whole []byte
	for {
		piece, err := s.in.ReadSlice('\n')
		whole = append(whole, piece...)
		switch {
		case err == nil:
			return string(bytes.TrimRight(whole, "\r\n")), nil
		case errors.Is(err, bufio.ErrBufferFull) && len(whole) < longestStatement:
		case errors.Is(err, io.EOF) && len(whole) == 0:
			return "", io.EOF
		case errors.Is(err, io.EOF):
			return "", errEnded
		case errors.Is(err, bufio.ErrBufferFull):
			return "", errors.New("a statement of the backup is endless")
		default:
			return "", err
		}
	}
}

// rows reads one table's data up to the line that ends it.
type rows struct {
	in    *bufio.Reader
	left  []byte
	start bool
	done  bool
}

func (r *rows) Read(p []byte) (int, error) {
	filled := 0
	for filled < len(p) {
		if len(r.left) == 0 {
			if r.done {
				break
			}
			// The slice is valid until the next read, which comes only when it is used up.
			piece, err := r.in.ReadSlice('\n')
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				if errors.Is(err, io.EOF) {
					err = errEnded
				}
				return filled, err
			}
			if r.start && string(piece) == "\\.\n" {
				r.done = true
				break
			}
			r.start, r.left = err == nil, piece
		}
		n := copy(p[filled:], r.left)
		filled, r.left = filled+n, r.left[n:]
	}
	if filled == 0 && r.done {
		return 0, io.EOF
	}
	return filled, nil
}
