package runtime

import "fmt"

// String is the operation's name, such as "AddRMSNorm".
func (k OpKind) String() string {
	switch k {
	case OpEmbed:
		return "Embed"
	case OpRMSNorm:
		return "RMSNorm"
	case OpAddRMSNorm:
		return "AddRMSNorm"
	case OpLinear:
		return "Linear"
	case OpQKNorm:
		return "QKNorm"
	case OpRoPE:
		return "RoPE"
	case OpAttention:
		return "Attention"
	case OpSwiGLU:
		return "SwiGLU"
	case OpMoE:
		return "MoE"
	case OpSampleRows:
		return "SampleRows"
	case OpLogits:
		return "Logits"
	}
	return fmt.Sprintf("OpKind(%d)", uint8(k))
}
