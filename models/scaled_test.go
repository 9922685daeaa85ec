package models

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"basalt/models/safetensors"
	"basalt/runtime"
)

// stored is a tensor of a file whose bytes count up from 1.
type stored struct {
	dtype string
	shape []int
}

func fileWith(t *testing.T, tensors map[string]stored) *safetensors.Checkpoint {
	t.Helper()
	header, at := map[string]any{}, 0
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		x := tensors[name]
		widths := map[string]int{"U8": 1, "F8_E4M3": 1, "BF16": 2, "F32": 4}
		size := product(x.shape) * widths[x.dtype]
		header[name] = map[string]any{
			"dtype": x.dtype, "shape": x.shape, "data_offsets": []int{at, at + size},
		}
		at += size
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	data := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	for i := range at {
		data = append(data, byte(i%120+1)) // no NaN in any format
	}
	c, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestScalesFindTheirMatrix(t *testing.T) {
	f := func(tensors map[string]stored, name string, want runtime.DType, rows, cols int,
		left ...string,
	) {
		t.Helper()
		c, err := joinScales(fileWith(t, tensors), nil)
		if err != nil {
			t.Error(err)
			return
		}
		x, ok := c.Tensor(name)
		if !ok || x.DType != want || x.Scales == nil || x.Scales.Rows != rows ||
			x.Scales.Cols != cols {
			t.Errorf("%s: %+v %+v", name, x, x.Scales)
			return
		}
		if err := x.Scales.Check(&x); err != nil && len(x.Shape) == 2 {
			t.Error(err)
		}
		if names := append(left, name); !slices.Equal(c.Names(), names) {
			t.Errorf("the set has %q, want %q", c.Names(), names)
		}
	}
	w := stored{"F8_E4M3", []int{200, 160}}
	f(map[string]stored{
		"w": w, "w_scale": {"BF16", []int{}}, "input_scale": {"F32", []int{}},
		"norm": {"F32", []int{3}},
	}, "w", runtime.F8_E4M3, 200, 160, "norm")
	f(map[string]stored{"w": w, "w_scale": {"F32", []int{1}}}, "w", runtime.F8_E4M3, 200, 160)
	f(map[string]stored{"w": w, "w_scale": {"F32", []int{200}}}, "w", runtime.F8_E4M3, 1, 160)
	f(map[string]stored{"w": w, "w_scale": {"F32", []int{200, 1}}}, "w", runtime.F8_E4M3, 1, 160)
	f(map[string]stored{"w": w, "w_scale_inv": {"F32", []int{2, 2}}}, "w", runtime.F8_E4M3, 128,
		128)
	f(map[string]stored{"w": w, "w_scale": {"BF16", []int{2, 2}}}, "w", runtime.F8_E4M3, 128,
		128)
	half := stored{"U8", []int{6, 16}}
	f(map[string]stored{"w_packed": half, "w_scale": {"U8", []int{6, 1}}}, "w", runtime.F4_E2M1, 1,
		32)
	f(map[string]stored{
		"w_packed": half, "w_scale": {"F8_E4M3", []int{6, 2}}, "w_global_scale": {"F32", []int{1}},
	}, "w", runtime.F4_E2M1, 1, 16)
	f(map[string]stored{
		"w": half, "w_scale": {"F8_E4M3", []int{6, 2}}, "w_scale_2": {"F32", []int{}},
	}, "w", runtime.F4_E2M1, 1, 16)
	f(map[string]stored{"w_blocks": {"U8", []int{3, 6, 2, 16}}, "w_scales": {"U8", []int{3, 6, 2}}},
		"w", runtime.F4_E2M1, 1, 32)
}

func TestScalesThatDoNotFitAreRefused(t *testing.T) {
	f := func(tensors map[string]stored, want string) {
		t.Helper()
		_, err := joinScales(fileWith(t, tensors), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	w, half := stored{"F8_E4M3", []int{200, 160}}, stored{"U8", []int{6, 16}}
	f(map[string]stored{"w": w, "w_scale": {"F32", []int{2}}},
		`tensor "w": its scales have shape [2]`)
	f(map[string]stored{"w": w, "w_scale_inv": {"F32", []int{2, 3}}}, "one for 128 x 128")
	f(map[string]stored{"w": {"F8_E4M3", []int{4}}, "w_scale": {"F32", []int{}}},
		"matrices have scales")
	f(map[string]stored{"w_packed": half, "w_scale": {"U8", []int{6, 2}}}, "one for 32 is wanted")
	f(map[string]stored{"w_packed": half, "w_scale": {"F8_E4M3", []int{6, 2}}}, "w_global_scale")
	f(map[string]stored{"w_packed": {"U8", []int{6, 9}}, "w_scale": {"U8", []int{6, 1}}},
		"numbers of shape [6 18]")
	f(map[string]stored{"w_blocks": {"U8", []int{6, 2, 8}}, "w_scales": {"U8", []int{6, 2}}},
		"blocks of 8 bytes")
	f(map[string]stored{"w_blocks": {"U8", []int{6, 2, 16}}}, `"w_scales" are missing`)
}

// TestStackedExpertsKeepTheirScales: what transformers 5 keeps in one stack is cut with its scales.
func TestStackedExpertsKeepTheirScales(t *testing.T) {
	const stem = "model.layers.0.mlp.experts."
	f := func(tensors map[string]stored, same bool) {
		t.Helper()
		c, err := joinScales(fileWith(t, tensors), nil)
		if err == nil {
			c, err = splitFused(c, families["qwen3_moe"])
		}
		if err != nil {
			t.Error(err)
			return
		}
		var halves [2]runtime.Tensor
		for i, m := range []string{"gate_proj", "up_proj"} {
			x, ok := c.Tensor(fmt.Sprintf("%s2.%s.weight", stem, m))
			if !ok || x.Scales == nil || x.Scales.Check(&x) != nil {
				t.Errorf("%s: %v %+v", m, x.Shape, x.Scales)
				return
			}
			halves[i] = x
		}
		a, b := halves[0], halves[1]
		if equal := bytes.Equal(a.Scales.Data, b.Scales.Data); equal != same {
			t.Errorf("gate and up have the same scales: %v", equal)
		}
	}
	f(map[string]stored{
		stem + "gate_up_proj_blocks": {"U8", []int{3, 8, 2, 16}},
		stem + "gate_up_proj_scales": {"U8", []int{3, 8, 2}},
	}, false)
	f(map[string]stored{
		stem + "gate_up_proj":           {"F8_E4M3", []int{3, 256, 130}},
		stem + "gate_up_proj_scale_inv": {"F32", []int{3, 2, 2}},
	}, false)
	f(map[string]stored{
		stem + "gate_up_proj":       {"F8_E4M3", []int{3, 8, 64}},
		stem + "gate_up_proj_scale": {"F32", []int{3, 1, 1}},
	}, true)
	f(map[string]stored{
		stem + "gate_up_proj":           {"F8_E4M3", []int{3, 96, 130}},
		stem + "gate_up_proj_scale_inv": {"F32", []int{3, 1, 2}},
	}, true)
}

func TestQuantizationConfigs(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var q hfQuantization
		if err := json.Unmarshal([]byte(text), &q); err != nil {
			t.Fatal(err)
		}
		err := q.check()
		if err == nil {
			_, _, err = q.block()
		}
		if want == "" && err != nil || want != "" && (err == nil ||
			!strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	f(`{"quant_method":"fp8","fmt":"e4m3","weight_block_size":[128,128]}`, "")
	f(`{"quant_method":"fbgemm_fp8","activation_scale_ub":1200.0}`, "")
	f(`{"quant_method":"mxfp4"}`, "")
	f(`{"quant_method":"modelopt","quant_algo":"NVFP4"}`, "")
	f(`{"quant_method":"compressed-tensors","format":"float-quantized","transform_config":{}}`, "")
	f(`{"quant_method":"compressed-tensors","format":"pack-quantized"}`, `format "pack-quantized"`)
	f(`{"quant_method":"fp8","fmt":"e5m2"}`, `format "e5m2"`)
	f(`{"quant_method":"gptq","bits":4}`, `method "gptq"`)
	f(`{"quant_method":"mxfp4","transform_config":{"r1":{}}}`, "rotated")
	f(`{"quant_method":"fp8","weight_block_size":[128]}`, "must be two sizes")
	f(`{"quant_method":"fp8","weight_block_size":[128,0]}`, "must be two sizes")
}
