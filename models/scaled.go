package models

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"basalt/models/safetensors"
	"basalt/runtime"
)

// hfQuantization is config.json's quantization_config: what wrote the weights, and how.
type hfQuantization struct {
	Method    string          `json:"quant_method"`
	Format    string          `json:"format"`            // of compressed-tensors
	Algorithm string          `json:"quant_algo"`        // of modelopt
	Numbers   string          `json:"fmt"`               // of fp8
	Block     []int           `json:"weight_block_size"` // of fp8: rows, columns
	Transform json.RawMessage `json:"transform_config"`
}

// check refuses methods whose tensors this package does not read.
func (q *hfQuantization) check() error {
	known := map[string][]string{
		"fp8": {"", "e4m3"}, "fbgemm_fp8": {""}, "mxfp4": {""}, "modelopt": {"FP8", "NVFP4"},
		"compressed-tensors": {
			"float-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized",
		},
	}
	formats, ok := known[q.Method]
	kind := first(q.Format, q.Algorithm, q.Numbers)
	if t := string(q.Transform); ok && t != "" && t != "null" && t != "{}" {
		return fmt.Errorf("quantization_config has a transform_config, which is not supported: " +
			"its weights are rotated")
	}
	if ok && slices.Contains(formats, kind) {
		return nil
	}
	return fmt.Errorf("quantization_config of method %q, format %q is not supported: known are "+
		"fp8 (E4M3), fbgemm_fp8, mxfp4, modelopt (FP8, NVFP4) and compressed-tensors "+
		"(float-quantized, nvfp4-pack-quantized, mxfp4-pack-quantized); take the unquantised "+
		"safetensors, or a GGUF file", q.Method, kind)
}

// block is the rows and columns that share a scale where there is a grid of them: 128 x 128 in
// every published checkpoint.
func (q *hfQuantization) block() (rows, cols int, err error) {
	if q == nil || q.Block == nil {
		return 128, 128, nil
	}
	if len(q.Block) != 2 || min(q.Block[0], q.Block[1]) < 1 || max(q.Block[0], q.Block[1]) > 1<<20 {
		return 0, 0, fmt.Errorf("weight_block_size is %v; it must be two sizes, such as [128, 128]",
			q.Block)
	}
	return q.Block[0], q.Block[1], nil
}

// joiner gives quantised matrices their scales. What a scale is called follows from the matrix's
// own name N: N_scale_inv or N_scale for FP8; N_packed (or N itself, in U8), N_scale and
// N_global_scale or N_scale_2 for NVFP4; N_packed and N_scale, or N_blocks and N_scales, for MXFP4.
type joiner struct {
	c          *safetensors.Checkpoint
	rows, cols int
	set        tensorSet
	taken      map[string]bool
}

// joinScales joins what belongs together; a checkpoint of plain numbers comes back as it is. Scales
// of activations and of a quantised cache are left out: activations stay as they are.
func joinScales(c *safetensors.Checkpoint, q *hfQuantization) (runtime.Checkpoint, error) {
	j := joiner{c: c, set: tensorSet{}, taken: make(map[string]bool)}
	var err error
	if j.rows, j.cols, err = q.block(); err != nil {
		return nil, err
	}
	names := c.Names()
	for _, name := range names {
		t, _ := c.Tensor(name)
		if t.DType == runtime.F8_E4M3 && !strings.HasSuffix(name, "_scale") {
			j.set[name] = t
			if err := j.joinF8(name, t); err != nil {
				return nil, fmt.Errorf("tensor %q: %w", name, err)
			}
		}
	}
	for _, name := range c.RawNames() {
		if err := j.joinF4(name); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
	}
	if len(j.set) == 0 {
		return c, nil
	}
	for _, name := range names {
		if _, joined := j.set[name]; !joined && !j.taken[name] && !ofActivations(name) {
			j.set[name], _ = c.Tensor(name)
		}
	}
	return j.set, nil
}

// ofActivations says whether a tensor scales what Basalt does not quantise.
func ofActivations(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	return slices.Contains([]string{
		"input_scale", "input_global_scale", "input_scale_ub", "output_scale", "q_scale", "k_scale",
		"v_scale", "k_proj.k_scale", "v_proj.v_scale",
	}, last)
}

// numbers gives a tensor of scales in a float format, or of powers of two, widened to F32.
func (j *joiner) numbers(name string) (values []float32, shape []int, ok bool) {
	t, ok := j.c.Tensor(name)
	if !ok || t.DType > runtime.BF16 && t.DType != runtime.F8_E8M0 {
		return nil, nil, false
	}
	j.taken[name] = true
	values = make([]float32, t.NumValues())
	t.Decode(values, 0)
	return values, t.Shape, true
}

func (j *joiner) joinF8(name string, t runtime.Tensor) error {
	values, shape, ok := j.numbers(name + "_scale_inv")
	if !ok {
		if values, shape, ok = j.numbers(name + "_scale"); !ok {
			return nil
		}
	}
	s := runtime.Scales{DType: runtime.F32, Data: floatBytes(values), Factor: 1}
	if len(t.Shape) < 2 {
		return fmt.Errorf("it has scales and shape %v; matrices have scales", t.Shape)
	}
	stack, n, k := t.Shape[:len(t.Shape)-2], t.Shape[len(t.Shape)-2], t.Shape[len(t.Shape)-1]
	each := product(stack)
	grid := []int{(n + j.rows - 1) / j.rows, (k + j.cols - 1) / j.cols}
	switch {
	case len(values) == each:
		s.Rows, s.Cols = n, k
	case len(stack) == 0 && (slices.Equal(shape, []int{n}) || slices.Equal(shape, []int{n, 1})),
		slices.Equal(shape, append(slices.Clone(stack), n, 1)):
		s.Rows, s.Cols = 1, k
	case slices.Equal(shape, append(slices.Clone(stack), grid...)):
		s.Rows, s.Cols = j.rows, j.cols
	default:
		return fmt.Errorf("its scales have shape %v for a matrix of %v: one for all, one a row, "+
			"or one for %d x %d is supported", shape, t.Shape, j.rows, j.cols)
	}
	t.Scales = &s
	j.set[name] = t
	return nil
}

// joinF4 joins the parts of a matrix of four-bit numbers whose packed bytes are called name.
func (j *joiner) joinF4(name string) error {
	raw, ok := j.c.Raw(name)
	if !ok || raw.DType != "U8" {
		return nil
	}
	if stem, ok := strings.CutSuffix(name, "_blocks"); ok && len(raw.Shape) > 2 {
		last := len(raw.Shape) - 1
		if raw.Shape[last] != 16 {
			return fmt.Errorf("blocks of %d bytes; MXFP4 has 16", raw.Shape[last])
		}
		shape := append(slices.Clone(raw.Shape[:last-1]), 32*raw.Shape[last-1])
		return j.putF4(stem, stem+"_scales", shape, raw.Data)
	}
	stem, packed := strings.CutSuffix(name, "_packed")
	if _, scaled := j.scale(stem + "_scale"); !scaled || len(raw.Shape) < 2 {
		return nil // of something else; if the model needs it, checkFormats names it
	}
	if !packed {
		stem = name
	}
	shape := slices.Clone(raw.Shape)
	shape[len(shape)-1] *= 2
	return j.putF4(stem, stem+"_scale", shape, raw.Data)
}

// scale finds scales of eight bits: in E4M3, or in E8M0, which writers call U8.
func (j *joiner) scale(name string) (runtime.Tensor, bool) {
	if t, ok := j.c.Tensor(name); ok && t.DType >= runtime.F8_E4M3 {
		return t, true
	}
	raw, ok := j.c.Raw(name)
	if !ok || raw.DType != "U8" {
		return runtime.Tensor{}, false
	}
	return runtime.Tensor{DType: runtime.F8_E8M0, Shape: raw.Shape, Data: raw.Data}, true
}

func (j *joiner) putF4(name, scales string, shape []int, data []byte) error {
	t, ok := j.scale(scales)
	if !ok {
		return fmt.Errorf("its scales %q are missing", scales)
	}
	j.taken[scales] = true
	s := &runtime.Scales{DType: t.DType, Data: t.Data, Rows: 1, Cols: 32, Factor: 1}
	if t.DType == runtime.F8_E4M3 {
		s.Cols = 16
		var err error
		if s.Factor, err = j.factor(name); err != nil {
			return err
		}
	}
	want := slices.Clone(shape)
	k := want[len(want)-1]
	if want[len(want)-1] = k / s.Cols; k%s.Cols != 0 || !slices.Equal(t.Shape, want) {
		return fmt.Errorf("its scales have shape %v for numbers of shape %v: one for %d is wanted",
			t.Shape, shape, s.Cols)
	}
	j.set[name] = runtime.Tensor{DType: runtime.F4_E2M1, Shape: shape, Data: data, Scales: s}
	return nil
}

// factor is NVFP4's scale of the whole matrix. compressed-tensors stores what scales were
// multiplied by, ModelOpt what they are to be multiplied by.
func (j *joiner) factor(name string) (float32, error) {
	if v, _, ok := j.numbers(name + "_scale_2"); ok && len(v) == 1 {
		return v[0], nil
	}
	if v, _, ok := j.numbers(name + "_global_scale"); ok && len(v) == 1 && v[0] > 0 {
		return 1 / v[0], nil
	}
	return 0, fmt.Errorf("it has neither %s_scale_2 nor %s_global_scale of one positive number",
		name, name)
}

func floatBytes(values []float32) []byte {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
