// SPDX-License-Identifier: Apache-2.0

// Package image assembles container images without a container engine.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// nonroot is the user of every image, as in distroless.
const nonroot = "65532:65532"

// file is one entry of a layer.
type file struct {
	path string
	mode int64
	dir  bool
	// data is the content; source names a file to read it from instead.
	data   []byte
	source string
}

// Static writes an image that holds one static binary.
func Static(ref, binary, out string) error {
	entrypoint := "/" + filepath.Base(binary)
	layer, err := filesLayer([]file{{path: entrypoint, mode: 0o555, source: binary}})
	if err != nil {
		return err
	}
	return write(ref, out, v1.Config{Entrypoint: []string{entrypoint}}, layer)
}

// write assembles the layers and writes them in the format `ctr images import`
// reads. Neither times nor host names enter it, so that equal inputs give an
// equal digest.
func write(ref, out string, config v1.Config, layers ...v1.Layer) error {
	tag, err := name.NewTag(ref)
	if err != nil {
		return fmt.Errorf("image name: %w", err)
	}
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return fmt.Errorf("assemble %s: %w", ref, err)
	}
	described, err := img.ConfigFile()
	if err != nil {
		return err
	}
	described = described.DeepCopy()
	config.User = nonroot
	described.Config = config
	described.OS, described.Architecture = "linux", runtime.GOARCH
	if img, err = mutate.ConfigFile(img, described); err != nil {
		return err
	}
	temp := out + ".tmp"
	if err := tarball.WriteToFile(temp, tag, img); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	return os.Rename(temp, out)
}

func filesLayer(files []file) (v1.Layer, error) {
	var buffer bytes.Buffer
	if err := writeTar(&buffer, files); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(buffer.Bytes())), nil
	}, tarball.WithCompressionLevel(1))
}

func writeTar(out io.Writer, files []file) error {
	archive := tar.NewWriter(out)
	for _, f := range files {
		if f.source != "" {
			data, err := os.ReadFile(f.source)
			if err != nil {
				return err
			}
			f.data = data
		}
		header := &tar.Header{Name: f.path[1:], Mode: f.mode, Size: int64(len(f.data)), Typeflag: tar.TypeReg}
		if f.dir {
			header.Typeflag = tar.TypeDir
			header.Name += "/"
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(f.data); err != nil {
			return err
		}
	}
	return archive.Close()
}
