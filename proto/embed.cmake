# Writes OUT, a C file with each of FILES as a constant span of bytes; a name of NAMES for each.
# Both are separated by commas.
string(REPLACE "," ";" files "${FILES}")
string(REPLACE "," ";" names "${NAMES}")
set(text "#include \"shared/base/span.h\"\n")
foreach(file name IN ZIP_LISTS files names)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND text
    "extern const struct span ${name};\n"
    "static const unsigned char ${name}_bytes[] = {${bytes}};\n"
    "const struct span ${name} = {(const char *)${name}_bytes, sizeof ${name}_bytes};\n")
endforeach()
file(WRITE ${OUT} "${text}")
