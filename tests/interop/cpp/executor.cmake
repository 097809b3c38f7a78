# The executor that the conformance harness asks, and the types of its questions. The project of the
# guide includes this file.
set(conformance crucible_ir/conformance/v1/conformance)
add_custom_command(
  OUTPUT ${conformance}.pb.cc ${conformance}.pb.h
  COMMAND protobuf::protoc --descriptor_set_in=${schema} --cpp_out=${CMAKE_BINARY_DIR}
          ${conformance}.proto
  DEPENDS ${schema}
  VERBATIM)
add_executable(executor executor.cc ${conformance}.pb.cc)
target_compile_definitions(executor PRIVATE LIBRARY_VERSION="${Protobuf_VERSION}")
target_link_libraries(executor PRIVATE crucible_ir)
set_source_files_properties(executor.cc PROPERTIES COMPILE_OPTIONS "-Wall;-Wextra;-Werror")
