;; Grows what it has by the bare instructions, so that limits are seen without an allocator between.
(component
  (core module $m
    (memory (export "memory") 1)
    (table $t 1 funcref)
    ;; The size before, in elements; -1 if it was refused.
    (func (export "grow-table") (param i32) (result i32)
      (table.grow $t (ref.null func) (local.get 0)))
    ;; The size before, in pages of 64 KiB; -1 if it was refused.
    (func (export "grow-memory") (param i32) (result i32)
      (memory.grow (local.get 0)))
    (func (export "memory-pages") (result i32) (memory.size)))
  (core instance $i (instantiate $m))
  (func $grow-table (param "elements" u32) (result s32) (canon lift (core func $i "grow-table")))
  (func $grow-memory (param "pages" u32) (result s32) (canon lift (core func $i "grow-memory")))
  (func $memory-pages (result u32) (canon lift (core func $i "memory-pages")))
  (instance $hoard
    (export "grow-table" (func $grow-table))
    (export "grow-memory" (func $grow-memory))
    (export "memory-pages" (func $memory-pages)))
  (export "test:hoarder/hoard@1.0.0" (instance $hoard))
)
