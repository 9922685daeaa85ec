#!/bin/sh
# kernels.sh DIR "ISA..." RUNNER COMPILER FLAG...: builds kernels.c with the kernels of the processor
# that COMPILER is for, into DIR, and runs it by RUNNER (an emulator; "" for none) for each ISA,
# ROUNDS (2000) times.
set -eu
cd "$(dirname "$0")/.."
dir=$1 isas=$2 runner=$3
shift 3
case $("$1" -dumpmachine) in
aarch64* | arm64*) other=_amd64.c ;;
*) other=_arm64.c ;;
esac
rm -rf "$dir"
mkdir -p "$dir/testdata"
set -- "$@" -std=c11 -Wall
"$@" -DBASALT_FUSED -Dbs_kernels_portable=bs_kernels_fused -c kern_portable.c -o "$dir/fused.o" &
fused=$!
printf '%s\n' *.c testdata/kernels.c | grep -v -e "$other\$" |
	xargs -P 2 -I FILE "$@" -c FILE -o "$dir/FILE.o"
wait $fused
"$@" "$dir"/*.o "$dir"/testdata/*.o -o "$dir/kernels" -lm -lpthread
for isa in $isas; do $runner "$dir/kernels" "$isa" "${ROUNDS:-2000}"; done
