package neff

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// HeaderSize is the number of bytes before the archive.
const HeaderSize = 1024

// Offsets of the header's fields in bytes; numbers are little-endian.
const (
	atPackage    = 0
	atHeaderSize = 8
	atDataSize   = 16
	atMajor      = 24
	atMinor      = 32
	atBuild      = 40
	atCores      = 168
	atHash       = 172
	atUUID       = 204
	atName       = 220
	atRequested  = 476
	atFeatures   = 544
	atLNC        = 552
)

// Header is what the file says about itself.
type Header struct {
	Package, Major, Minor uint64
	DataSize              uint64 // bytes behind the header
	Build                 string // of the compiler
	Cores, Requested      uint32
	Hash, UUID            string // in hexadecimal
	Name                  string
	Features              uint64
	LNC                   uint32 // physical cores in a logical one
}

// ErrFormat is wrapped by every complaint about a file.
var ErrFormat = errors.New("not a compiled Neuron graph")

// Parse reads a header and checks the sizes that it gives against the file's.
func Parse(data []byte) (Header, error) {
	if len(data) < HeaderSize {
		return Header{}, fmt.Errorf("%w: it has %d bytes; the header alone has %d", ErrFormat,
			len(data), HeaderSize)
	}
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(data[at:]) }
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(data[at:]) }
	h := Header{
		Package: u64(atPackage), DataSize: u64(atDataSize), Major: u64(atMajor),
		Minor: u64(atMinor), Build: text(data[atBuild:atCores]), Cores: u32(atCores),
		Hash: hex.EncodeToString(data[atHash:atUUID]),
		UUID: hex.EncodeToString(data[atUUID:atName]), Name: text(data[atName:atRequested]),
		Requested: u32(atRequested), Features: u64(atFeatures), LNC: u32(atLNC),
	}
	switch {
	case u64(atHeaderSize) != HeaderSize:
		return h, fmt.Errorf("%w: its header has %d bytes, %d are known", ErrFormat,
			u64(atHeaderSize), HeaderSize)
	case h.DataSize != uint64(len(data)-HeaderSize):
		return h, fmt.Errorf("%w: %d bytes follow the header, which says %d: the file is cut "+
			"short or was not written whole", ErrFormat, len(data)-HeaderSize, h.DataSize)
	}
	return h, nil
}

// text is a string up to its first zero.
func text(data []byte) string {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		data = data[:i]
	}
	return string(data)
}

// Check compares the logical core with the one that the process runs with. A header of 0, from a
// compiler that does not say, is taken.
func (h *Header) Check(lnc int) error {
	if h.LNC != 0 && int(h.LNC) != lnc {
		return fmt.Errorf("the graph was compiled for logical cores of %d physical ones and this "+
			"process runs with %d: compile with --lnc %d, or set NEURON_LOGICAL_NC_CONFIG=%d",
			h.LNC, lnc, lnc, h.LNC)
	}
	return nil
}
