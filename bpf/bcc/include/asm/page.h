/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#define PAGE_SIZE 4096ul /* only macros that we do not use ask for it */
