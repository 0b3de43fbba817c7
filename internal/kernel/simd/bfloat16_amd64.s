#include "go_asm.h"
#include "textflag.h"

// The assembler knows neither AMX nor AVX512_BF16, so these instructions are bytes.
// Those of tiles: register, memory as base + index.
#define LDTILECFG_AX             BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0x00
#define TILERELEASE              BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0xc0
#define TILELOADD_T0_SI_AX       BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x04; BYTE $0x06
#define TILELOADD_T1_SI_AX_64    BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x4c; BYTE $0x06; BYTE $0x40
#define TILELOADD_T2_SI_AX       BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x14; BYTE $0x06
#define TILELOADD_T3_SI_AX_64    BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x5c; BYTE $0x06; BYTE $0x40
#define TILELOADD_T4_SI_DX       BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x24; BYTE $0x16
#define TILELOADD_T5_BX_DX       BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x2c; BYTE $0x13
#define TILELOADD_T6_DI_CX       BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x34; BYTE $0x0f
#define TILELOADD_T7_DI_CX_64    BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x7c; BYTE $0x0f; BYTE $0x40
#define TDPBF16PS_T6_T4_T0       BYTE $0xc4; BYTE $0xe2; BYTE $0x4a; BYTE $0x5c; BYTE $0xc4
#define TDPBF16PS_T7_T4_T1       BYTE $0xc4; BYTE $0xe2; BYTE $0x42; BYTE $0x5c; BYTE $0xcc
#define TDPBF16PS_T6_T5_T2       BYTE $0xc4; BYTE $0xe2; BYTE $0x4a; BYTE $0x5c; BYTE $0xd5
#define TDPBF16PS_T7_T5_T3       BYTE $0xc4; BYTE $0xe2; BYTE $0x42; BYTE $0x5c; BYTE $0xdd
#define TILELOADD_T2_BX_AX       BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x14; BYTE $0x03
#define TILELOADD_T3_BX_AX_64    BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x5c; BYTE $0x03; BYTE $0x40
#define TILESTORED_T0_SI_AX      BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $0x04; BYTE $0x06
#define TILESTORED_T1_SI_AX_64   BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $0x4c; BYTE $0x06; BYTE $0x40
#define TILESTORED_T2_BX_AX      BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $0x14; BYTE $0x03
#define TILESTORED_T3_BX_AX_64   BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $0x5c; BYTE $0x03; BYTE $0x40
#define TILESTORED_T0_SI_CX      BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $0x04; BYTE $0x0e
#define TILESTORED_T1_SI_CX_64   BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $0x4c; BYTE $0x0e; BYTE $0x40
#define TILESTORED_T2_SI_CX_2048 BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $0x94; BYTE $0x0e; LONG $2048
#define TILESTORED_T3_SI_CX_2112 BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $0x9c; BYTE $0x0e; LONG $2112
#define VCVTNEPS2BF16_SI_Y0      BYTE $0x62; BYTE $0xf2; BYTE $0x7e; BYTE $0x48; BYTE $0x72; BYTE $0x06
#define VCVTNE2PS2BF16_Z0_Z1_Z0  BYTE $0x62; BYTE $0xf2; BYTE $0x77; BYTE $0x48; BYTE $0x72; BYTE $0xc0

// Eight tiles of 16 rows of 64 bytes.
DATA tileConfig<>+0(SB)/8, $1
DATA tileConfig<>+8(SB)/8, $0
DATA tileConfig<>+16(SB)/8, $0x0040004000400040
DATA tileConfig<>+24(SB)/8, $0x0040004000400040
DATA tileConfig<>+32(SB)/8, $0
DATA tileConfig<>+40(SB)/8, $0
DATA tileConfig<>+48(SB)/8, $0x1010101010101010
DATA tileConfig<>+56(SB)/8, $0
GLOBL tileConfig<>(SB), RODATA|NOPTR, $64

// The words of two vectors, one after the other, in turn.
DATA turns<>+0(SB)/8, $0x0011000100100000
DATA turns<>+8(SB)/8, $0x0013000300120002
DATA turns<>+16(SB)/8, $0x0015000500140004
DATA turns<>+24(SB)/8, $0x0017000700160006
DATA turns<>+32(SB)/8, $0x0019000900180008
DATA turns<>+40(SB)/8, $0x001b000b001a000a
DATA turns<>+48(SB)/8, $0x001d000d001c000c
DATA turns<>+56(SB)/8, $0x001f000f001e000e
GLOBL turns<>(SB), RODATA|NOPTR, $64

// MULTIPLY adds to the sums in T0 to T3 the products of 32 rows at SI and BX, 16 rows of
// DX bytes further on, and 32 columns at DI; then it moves on by 32 of what is summed over.
#define MULTIPLY \
	TILELOADD_T4_SI_DX; \
	TILELOADD_T6_DI_CX; \
	TDPBF16PS_T6_T4_T0; \
	TILELOADD_T7_DI_CX_64; \
	TDPBF16PS_T7_T4_T1; \
	TILELOADD_T5_BX_DX; \
	TDPBF16PS_T6_T5_T2; \
	TDPBF16PS_T7_T5_T3; \
	ADDQ $64, SI; \
	ADDQ $64, BX; \
	ADDQ $2048, DI

// func gemmBFloat16AMX(p *GEMMBFloat16)
TEXT ·gemmBFloat16AMX(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), R8
	LEAQ tileConfig<>(SB), AX
	LDTILECFG_AX
	MOVQ GEMMBFloat16_A(R8), R10
	MOVQ GEMMBFloat16_C(R8), R11
	MOVQ GEMMBFloat16_MBlocks(R8), R9
	MOVQ GEMMBFloat16_AStride(R8), DX
	MOVQ GEMMBFloat16_AJump(R8), R15
	SHLQ $1, DX
	SHLQ $1, R15
	MOVQ $128, CX

step:
	MOVQ GEMMBFloat16_Init(R8), SI
	XORQ AX, AX
	TILELOADD_T0_SI_AX
	TILELOADD_T1_SI_AX_64
	TILELOADD_T2_SI_AX
	TILELOADD_T3_SI_AX_64
	MOVQ GEMMBFloat16_B(R8), DI
	MOVQ R10, SI
	MOVQ DX, BX
	SHLQ $4, BX
	ADDQ SI, BX
	MOVQ GEMMBFloat16_KOuter(R8), R12

row:
	MOVQ GEMMBFloat16_KBlocks(R8), R13

block:
	MULTIPLY
	DECQ R13
	JNZ  block
	ADDQ R15, SI
	ADDQ R15, BX
	DECQ R12
	JNZ  row
	MOVQ R11, SI
	TILESTORED_T0_SI_CX
	TILESTORED_T1_SI_CX_64
	TILESTORED_T2_SI_CX_2048
	TILESTORED_T3_SI_CX_2112
	ADDQ $4096, R11
	MOVQ DX, AX
	SHLQ $5, AX
	ADDQ AX, R10
	DECQ R9
	JNZ  step
	TILERELEASE
	RET

// func convertBFloat16AMX(r *Conversion)
TEXT ·convertBFloat16AMX(SB), NOSPLIT, $0-8
	MOVQ r+0(FP), R8
	MOVQ Conversion_Y(R8), R10
	MOVQ Conversion_X(R8), R11
	MOVQ Conversion_YStride(R8), R12
	MOVQ Conversion_XStride(R8), R13
	MOVQ Conversion_Rows(R8), R9
	SHLQ $1, R12
	SHLQ $2, R13

next:
	MOVQ R10, DI
	MOVQ R11, SI
	MOVQ Conversion_Cols(R8), CX
	SHRQ $4, CX

vector:
	VCVTNEPS2BF16_SI_Y0
	VMOVDQU Y0, (DI)
	ADDQ $64, SI
	ADDQ $32, DI
	DECQ CX
	JNZ  vector
	ADDQ R12, R10
	ADDQ R13, R11
	DECQ R9
	JNZ  next
	VZEROUPPER
	RET

// func packBFloat16AMX(y []uint16, x []float32, stride int)
TEXT ·packBFloat16AMX(SB), NOSPLIT, $0-56
	MOVQ y_base+0(FP), DI
	MOVQ y_len+8(FP), CX
	MOVQ x_base+24(FP), SI
	MOVQ stride+48(FP), DX
	SHLQ $2, DX
	VMOVDQU64 turns<>(SB), Z2
	SHRQ $6, CX
	JZ   paired

pair:
	VMOVUPS (SI), Z0
	VMOVUPS (SI)(DX*1), Z1
	VCVTNE2PS2BF16_Z0_Z1_Z0
	VPERMW  Z0, Z2, Z3
	VMOVDQU64 Z3, (DI)
	VMOVUPS 64(SI), Z0
	VMOVUPS 64(SI)(DX*1), Z1
	VCVTNE2PS2BF16_Z0_Z1_Z0
	VPERMW  Z0, Z2, Z3
	VMOVDQU64 Z3, 64(DI)
	LEAQ (SI)(DX*2), SI
	ADDQ $128, DI
	DECQ CX
	JNZ  pair

paired:
	VZEROUPPER
	RET

// func gradWeightsBFloat16AMX(sums *GradWeightsBFloat16)
TEXT ·gradWeightsBFloat16AMX(SB), NOSPLIT, $0-8
	MOVQ sums+0(FP), R8
	LEAQ tileConfig<>(SB), AX
	LDTILECFG_AX
	MOVQ GradWeightsBFloat16_A(R8), R10
	MOVQ GradWeightsBFloat16_C(R8), R11
	MOVQ GradWeightsBFloat16_Init(R8), R9
	MOVQ GradWeightsBFloat16_AStride(R8), DX
	MOVQ GradWeightsBFloat16_Line(R8), R15
	SHLQ $1, DX
	SHLQ $1, R15
	SUBQ $6, R15
	MOVQ $128, CX
	MOVQ GradWeightsBFloat16_Taps(R8), R12

tap:
	MOVQ R9, SI
	MOVQ GradWeightsBFloat16_InitStride(R8), AX
	SHLQ $2, AX
	MOVQ AX, BX
	SHLQ $4, BX
	ADDQ SI, BX
	TILELOADD_T0_SI_AX
	TILELOADD_T1_SI_AX_64
	TILELOADD_T2_BX_AX
	TILELOADD_T3_BX_AX_64
	MOVQ R10, SI
	MOVQ DX, BX
	SHLQ $4, BX
	ADDQ SI, BX
	MOVQ GradWeightsBFloat16_B(R8), DI
	MOVQ GradWeightsBFloat16_KBlocks(R8), R13

pixels:
	MULTIPLY
	DECQ R13
	JNZ  pixels
	MOVQ R11, SI
	MOVQ GradWeightsBFloat16_CStride(R8), AX
	SHLQ $2, AX
	MOVQ AX, BX
	SHLQ $4, BX
	ADDQ SI, BX
	TILESTORED_T0_SI_AX
	TILESTORED_T1_SI_AX_64
	TILESTORED_T2_BX_AX
	TILESTORED_T3_BX_AX_64
	MOVQ GradWeightsBFloat16_InitTap(R8), AX
	LEAQ (R9)(AX*4), R9
	MOVQ GradWeightsBFloat16_CTap(R8), AX
	LEAQ (R11)(AX*4), R11
	ADDQ $2, R10
	CMPQ R12, $7
	JEQ  nextRow
	CMPQ R12, $4
	JNE  nextTap

nextRow:
	ADDQ R15, R10

nextTap:
	DECQ R12
	JNZ  tap
	TILERELEASE
	RET
